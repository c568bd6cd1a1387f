"""Memory: that what a job has freed need not be asked of the kernel again."""

from __future__ import annotations

import mmap
import platform
import subprocess
import sys

import pytest

from spoolfarm.system import memory

#: Prints how many pages the kernel had to give for the second picture of 36 MB, outside and within `largest_kept`.
SCRIPT = """
import resource
from spoolfarm.system import memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytes([120]) * 36_000_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

memory.keep()
faults()
outside = faults()
with memory.largest_kept():
    faults()
    print(outside, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_where_it_is_asked_for_a_large_picture_finds_the_memory_of_the_one_before() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    outside, within = map(int, done.stdout.split())
    assert within * 4 < outside, done.stdout


def test_a_process_holds_what_it_has_written_to() -> None:
    before = memory.resident_mb()
    with mmap.mmap(-1, 64 << 20) as held:  # new pages: what a process has freed it may be given again
        for at in range(0, len(held), mmap.PAGESIZE):
            held[at] = 1
        assert memory.resident_mb() - before > 60
