import subprocess
import sys
from pathlib import Path

CHILD = """
import signal, subprocess, sys
print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
import interrupts
if sys.argv[1] == "restored":
    interrupts.restore()
ask = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
sys.stdout.flush()
subprocess.run([sys.executable, "-c", ask], check=True)
"""


def test_children_can_be_interrupted_though_the_tests_ignore_it():
    for how, ignored in (("left", "True"), ("restored", "False")):
        script = 'trap "" INT; exec "$@"'
        done = subprocess.run(
            ["sh", "-c", script, "sh", sys.executable, "-c", CHILD, how],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.split() == ["True", ignored]
