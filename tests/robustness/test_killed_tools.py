"""Whatever ends a data tool ends its workers, and leaves no half file."""

import os
import signal
import subprocess
import sys
import time

import pytest

import mmvideomamba

BUSY = """
import time
from mmvideomamba.files import atomic_write

def write_for_ever(path):
    with atomic_write(path):
        while True:
            time.sleep(0.01)
"""
PROGRAM = """
import signal, sys
from busy import write_for_ever
from mmvideomamba.parallel import run_parallel
# Whatever started the tests may ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
paths = [f'{sys.argv[1]}/{number}.mp4' for number in range(400)]
run_parallel(write_for_ever, paths, 2, on_crash=None)
"""


@pytest.fixture
def start(tmp_path):
    """Starts a program; returns the folder where its workers write, and it."""
    # The package without what it imports, which takes seconds.
    (tmp_path / 'mmvideomamba').mkdir()
    (tmp_path / 'mmvideomamba/__init__.py').write_text(
        f'__path__ = {list(mmvideomamba.__path__)!r}\n'
    )
    (tmp_path / 'busy.py').write_text(BUSY)

    def start(number):
        folder = tmp_path / str(number)
        folder.mkdir()
        return folder, subprocess.Popen(
            [sys.executable, '-c', PROGRAM, str(folder)],
            cwd=tmp_path,  # where python -c looks first
            env={**os.environ, 'PYTHONPATH': str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_workers_end_with_their_program(campaign, start):
    for case in campaign.cases(9, as_test=0):
        with case:
            ends = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
            end = ends[case.seed % 3]
            folder, program = start(case.seed)
            while len(os.listdir(folder)) < 2:
                assert program.poll() is None
                time.sleep(0.02)
            time.sleep(case.random.random())
            program.send_signal(end)
            # Ends when the last process has closed the standard error.
            _, said = program.communicate(timeout=30)
            assert program.returncode == -end, said
            assert os.listdir(folder) == []
            case.outcome(f'ended by {end.name}')
