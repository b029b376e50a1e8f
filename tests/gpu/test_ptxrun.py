"""Kernels from their PTX on a CPU, and what is noticed while they run.

Each in a process of its own: `ptxrun` replaces how Triton launches kernels,
and those of the tests' process belong to the interpreter.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('triton')
import ptxrun

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(
    ptxrun.why_not() is not None, reason=str(ptxrun.why_not())
)


def output(script, *args):
    """What a script of this folder prints, a JSON value a line."""
    env = {k: v for k, v in os.environ.items() if k != 'TRITON_INTERPRET'}
    paths = [str(HERE.parents[1]), *env.get('PYTHONPATH', '').split(':')]
    done = subprocess.run(
        [sys.executable, HERE / script, *args],
        env=dict(env, PYTHONPATH=':'.join(filter(None, paths))),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_operators_agree_with_the_reference_from_their_ptx():
    _, *cases = output('ptx_battery.py', '90', 'quick', '--fast-build')
    assert [case['case'] for case in cases] == ['scan', 'conv']
    assert all(case['ok'] and case['repeat'] for case in cases), cases
    kernels = {kernel for case in cases for kernel in case['kernels']}
    assert {'backward_kernel', 'filter_gradient_kernel'} <= kernels


def test_accesses_out_of_bounds_and_races_are_noticed():
    (said,) = output('faulty_kernels.py')
    assert said['sound'] is None
    assert 'load of 4 bytes out of every tensor' in said['load']
    assert 'store of 4 bytes out of every tensor' in said['store']
    assert 'two programs write one place' in said['one_place']
    # Which of the two is first is chance.
    assert 'a program' in said['passed_on']
