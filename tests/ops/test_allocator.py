"""Freed memory stays in the process, unless the user says otherwise."""

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, torch
from mmvideomamba.ops.cpu.allocator import keep_freed_memory
kept = keep_freed_memory()
numbers = int(sys.argv[1]) << 18
# Small blocks may take the end of the first ones freed.
for _ in range(20):
    torch.ones(numbers)
start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(numbers)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start)
"""


needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != 'glibc', reason='sets the GNU C library'
)


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    for name in list(os.environ):
        if name.startswith('MALLOC_'):
            monkeypatch.delenv(name)
    monkeypatch.delenv('GLIBC_TUNABLES', raising=False)
    monkeypatch.delenv('MMVIDEOMAMBA_KEEP_MEMORY', raising=False)


@needs_glibc
@pytest.mark.parametrize(
    'choice, mebibytes',
    [
        (None, 16),
        # By itself the library keeps what is smaller than 32 MiB.
        (('MMVIDEOMAMBA_KEEP_MEMORY', '0'), 64),
        (('MALLOC_TRIM_THRESHOLD_', '131072'), 16),
    ],
)
def test_page_faults_end_unless_the_user_has_chosen(
    monkeypatch, choice, mebibytes
):
    if choice:
        monkeypatch.setenv(*choice)
    output = subprocess.check_output(
        [sys.executable, '-c', PROGRAM, str(mebibytes)], text=True
    )
    # Behind what mmengine's log prints.
    kept, faults = output.split()[-2:]
    assert kept == str(choice is None)
    # 5 x 16 MiB are 20480 pages of 4 KiB.
    assert (int(faults) < 1000) is (choice is None)


@needs_glibc
@pytest.mark.parametrize('choice', [None, '0', '1'])
def test_one_line_of_the_log_says_so(monkeypatch, choice):
    if choice:
        monkeypatch.setenv('MMVIDEOMAMBA_KEEP_MEMORY', choice)
    program = """
import logging, torch
logging.basicConfig(level=logging.INFO)
from mmvideomamba.ops import cpu, rms_norm
for _ in range(2):
    rms_norm(torch.ones(2, 3), torch.ones(3), 1e-5)
print(cpu.why_not('cpu'))
"""
    done = subprocess.run(
        [sys.executable, '-c', program],
        capture_output=True,
        text=True,
        check=True,
    )
    if not done.stdout.endswith('None\n'):
        pytest.skip(done.stdout)
    announced = 0 if choice == '0' else 1
    assert done.stderr.count('MMVIDEOMAMBA_KEEP_MEMORY=0') == announced
