"""Freed memory stays in the process, unless the user says otherwise."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, torch
from mmvideomamba.ops.cpu.allocator import keep_freed_memory
kept = keep_freed_memory()
# Small blocks may take the end of the first ones freed.
for _ in range(20):
    torch.ones(4 << 20)
start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(4 << 20)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != 'glibc', reason='sets the GNU C library'
)
@pytest.mark.parametrize('asked', [False, True])
def test_page_faults_end_unless_the_user_has_chosen(monkeypatch, asked):
    monkeypatch.delenv('GLIBC_TUNABLES', raising=False)
    if asked:
        monkeypatch.setenv('MALLOC_TRIM_THRESHOLD_', '131072')
    else:
        monkeypatch.delenv('MALLOC_TRIM_THRESHOLD_', raising=False)
    output = subprocess.check_output([sys.executable, '-c', SCRIPT], text=True)
    kept, faults = output.split()
    assert kept == str(not asked)
    # 5 x 16 MiB are 20480 pages of 4 KiB.
    assert (int(faults) < 1000) is not asked
