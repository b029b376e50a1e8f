"""Parts about mamba-ssm: its scan as a baseline, and behind our backend."""

from typing import Iterator

import torch

from mmvideomamba.benchmark.scan_workloads import (
    PASSES,
    ScanCase,
    implementations,
    make_inputs,
    make_pass,
)
from mmvideomamba.ops import mamba_ssm

from .bench import Bench
from .kernels import Case, check_operators
from .skip import Skip
from .training import build_model, train

TWICE = 'mamba-ssm-twice'
# Its kernels work on 2048 steps at a time, and guard the last ones.
BEST_LENGTH = 2048


def measure_mamba_ssm_twice(bench: Bench) -> Iterator[dict]:
    """Our scan beside mamba-ssm's, once a direction; also at its length."""
    reason = mamba_ssm.selective_scan_fn.why_not()
    if reason is not None:
        raise Skip(reason)
    _, D, N, _, L, most = bench.sizes
    best = L + 3 if bench.dry else BEST_LENGTH
    for batch in (most, 1):
        for name, length in (('triton', L), (TWICE, L), (TWICE, best)):
            case = ScanCase('bf16', batch, length, D, N, bench.device)
            inputs = make_inputs(case)
            record = dict(name=name, clips=batch, tokens=length)
            for pass_name in PASSES:
                call = make_pass(implementations()[name], inputs, pass_name)
                record[f'{pass_name}_ms'] = bench.median_ms(call, 10)
            record['kernels'] = bench.kernel_times(call, 3)
            yield record
            del inputs, call
            bench.free()


def check_backend(bench: Bench) -> Iterator[dict]:
    """`scan_backend='mamba_ssm'` against float64, then a training step."""
    reason = (
        mamba_ssm.selective_scan_fn.why_not()
        or mamba_ssm.causal_conv1d_fn.why_not()
    )
    if reason is not None:
        raise Skip(reason)
    dtypes = torch.float32, torch.bfloat16, torch.float16
    cases = [
        Case(2, dtype, whole=False, K=K, backend='mamba_ssm')
        for dtype in dtypes
        for K in (1, 2, 3, 4)
    ]
    yield from check_operators(bench, cases)
    model = build_model(bench, scan_backend='mamba_ssm')
    yield dict(train(bench, model, torch.bfloat16), backend='mamba_ssm')
