"""Programs are started in a process that was forked from one that had started some."""

import os
import signal
import sys

from intrs_edge.targets.process import _start


def test_a_forked_process_starts_programs_too():
    _start([sys.executable, "-c", ""], pipes=True).communicate()
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)  # ends the child where it waits for a thread that it does not have
        code = 1
        try:
            code = _start([sys.executable, "-c", "raise SystemExit(7)"], pipes=True).wait()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
