"""The one exception a user sees: a line that names the thing, the limit and the remedy."""


class IntrsError(Exception):
    """Bad input or an impossible request.

    The message is one line: what was wrong (named), which limit it broke, what to do.
    The command line prints it after ``intrs-edge: error:`` and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
