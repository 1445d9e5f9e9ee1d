"""Ctrl-C in tests, however the tests were started."""

import signal


def restore() -> None:
    """Takes SIGINT again where whoever started the tests has it ignored, as a shell script does for what it starts with
    ``&``: children would ignore it too, and tests that interrupt them would wait for ever."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
