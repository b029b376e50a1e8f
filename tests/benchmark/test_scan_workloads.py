"""The sizes of a scan: what it moves and how many exps it takes."""

import pytest

from mmvideomamba.benchmark.scan_workloads import (
    PASSES,
    ScanCase,
    make_inputs,
)


@pytest.mark.parametrize('dtype', ['fp32', 'bf16'])
def test_bytes_and_exps_are_those_of_the_inputs(dtype):
    case = ScanCase(dtype, 2, 7, 64, 4, 'cpu')
    inputs = make_inputs(case)
    out = inputs['u'][0].nbytes
    data = sum(inputs[name].nbytes for name in ('u', 'delta', 'B', 'C', 'z'))
    both = data + out, 3 * data + 2 * out
    assert tuple(map(case.bytes_moved, PASSES)) == both
    exps = inputs['u'].numel() * 4
    assert tuple(map(case.exps, PASSES)) == (exps, 2 * exps)
