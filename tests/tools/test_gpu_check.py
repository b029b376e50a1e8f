"""What of tools/gpu_check.py shows without a GPU."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / 'tools' / 'gpu_check.py'


@pytest.fixture(scope='module')
def gpu_check():
    return runpy.run_path(str(SCRIPT))


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_one_clear_line_without_a_gpu():
    done = subprocess.run(
        [sys.executable, SCRIPT], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == 'gpu_check: torch finds no CUDA device here\n'
    assert done.stdout == ''


def test_a_part_never_stops_the_others(gpu_check):
    def missing(seconds):
        raise gpu_check['Skip']('mmaction not installed')

    def broken(seconds):
        raise ValueError('no')

    run_part = gpu_check['run_part']
    statuses = [
        run_part(part, seconds)
        for part, seconds in (
            (lambda seconds: dict(left=seconds), 60),
            (missing, 60),
            (broken, 60),
            (broken, 1),
        )
    ]
    for status in statuses:
        del status['seconds']
    assert statuses == [
        dict(status='passed', result=dict(left=60)),
        dict(status='skipped', reason='mmaction not installed'),
        dict(status='failed', reason='ValueError: no'),
        dict(status='skipped', reason='no time left'),
    ]


def test_the_page_shows_parts_and_timings(gpu_check):
    about = dict(gpu='G 1', date='d', commit='c', torch='t', triton='v')
    row = dict(
        engine='triton', work='forward', dtype='bfloat16', batch=1, length=9
    )
    rows = [dict(row, milliseconds=0.25)]
    outcomes = dict(
        tests=dict(status='failed', seconds=1.5, reason='two\nlines'),
        benchmark_scan=dict(
            status='passed',
            seconds=2.0,
            result=dict(runs=[dict(results=rows)]),
        ),
    )
    page = gpu_check['report'](about, outcomes)
    assert page.startswith('# G 1\n')
    assert '| tests | failed | 1.5 | two lines |' in page
    assert '| triton | forward | bfloat16 | 1 | 9 | 0.250 |' in page
