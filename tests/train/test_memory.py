"""What a training frees it keeps: no page comes back from the system at every step."""

import os
import platform
import subprocess
import sys

import pytest

from intrs_edge.children import patient

# a tensor of 40 MB, taken and freed: as the activations of a larger network
PROGRAM = """
import resource, sys, torch
from intrs_edge.train.memory import keep_freed_memory
torch.set_num_threads(1)
kept = keep_freed_memory() if sys.argv[1] == "keep" else False
def step():
    torch.ones(10 << 20)
for _ in range(40):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str, **more: str) -> tuple[str, int]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | more
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True, env=env, timeout=patient(120)
    )
    kept, faults = done.stdout.split()
    return kept, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is set")
def test_freed_memory_is_kept():
    kept, faults = _faults("keep")
    assert kept == "True"
    # now and then the heap is cut anew and a tensor meets fresh pages; left alone, it does at every step
    assert _faults("leave")[1] > 2 * (faults + 1000)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is set")
def test_what_the_environment_says_stands():
    assert _faults("keep", MALLOC_TRIM_THRESHOLD_="131072")[0] == "False"
