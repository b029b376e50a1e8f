"""Parts about mamba-ssm: its scan as a baseline, and behind our backend."""

from functools import partial
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
    L = bench.sizes.L
    best = L + 3 if bench.dry else BEST_LENGTH
    for batch in bench.batches[::2]:
        for name, length in (('triton', L), (TWICE, L), (TWICE, best)):
            time = partial(time_scan, bench, name, length)
            for record in bench.fit(batch, time):
                yield dict(name=name, tokens=length, **record)


def time_scan(bench: Bench, name: str, length: int, batch: int) -> dict:
    _, D, N, *_ = bench.sizes
    case = ScanCase('bf16', batch, length, D, N, bench.device)
    inputs, implementation = make_inputs(case), implementations()[name]
    calls = {
        pass_name: make_pass(implementation, inputs, pass_name)
        for pass_name in PASSES
    }
    times = {f'{name}_ms': bench.median_ms(c, 10) for name, c in calls.items()}
    return dict(**times, kernels=bench.kernel_times(calls[PASSES[1]], 3))


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
