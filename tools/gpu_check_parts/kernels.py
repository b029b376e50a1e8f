"""Parts about single kernels: what the GPU can, right, how fast."""

import sys
import time
from functools import partial
from typing import Callable, Dict, Iterator, NamedTuple, Sequence

import torch
from torch import Tensor

from mmvideomamba.ops import (
    causal_conv1d,
    mamba_inner,
    reference,
    selective_scan,
)
from mmvideomamba.ops import triton as triton_backend

from .bench import Bench, relative_error, two_digits
from .machine import ROOT

BF16 = torch.bfloat16
SCAN_NAMES = ('u', 'delta', 'A', 'B', 'C', 'D', 'z', 'bias')


class Case(NamedTuple):
    """A call of each operator; `whole` has the tokens of a real clip."""

    batch: int
    dtype: torch.dtype
    whole: bool
    K: int = 2
    backend: str = 'triton'


# Those of the recipes first: every dtype has kernels of its own to compile.
CASES = (
    Case(1, BF16, whole=True),
    Case(3, BF16, whole=False),
    Case(1, torch.float32, whole=True),
    Case(1, torch.float16, whole=True),
)


def measure_ceilings(bench: Bench) -> Iterator[dict]:
    """How fast the GPU copies, multiplies and takes exponentials."""
    yield dict(copy_TBps=round(measure_copy(bench) / 1e12, 3))
    for name, dtype in (('bf16', BF16), ('fp32', torch.float32)):
        rate = measure_product(bench, dtype)
        yield {f'{name}_TFLOPs': round(rate / 1e12, 1)}
    yield dict(Gexp_per_s=round(measure_exps(bench) / 1e9, 1))


def measure_copy(bench: Bench) -> float:
    """Bytes per second, read and written."""
    source = bench.empty(2**10 if bench.dry else 2**29, dtype=BF16)
    target = torch.empty_like(source)
    ms = bench.median_ms(lambda: target.copy_(source))
    return 2 * source.nbytes / ms * 1e3


def measure_product(bench: Bench, dtype: torch.dtype) -> float:
    """Operations per second of a product of square matrices."""
    size = 16 if bench.dry else 8192
    matrix = bench.randn(size, size, dtype=dtype)
    ms = bench.median_ms(lambda: matrix @ matrix)
    return 2 * size**3 / ms * 1e3


def measure_exps(bench: Bench) -> float:
    """Exponentials per second, in registers."""
    # It imports Triton, whose interpreter is asked for in a rehearsal.
    from mmvideomamba.benchmark import exp_chain

    if bench.dry:
        exp_chain.exp_chain(bench.empty(1, exp_chain.LANES), 2)
        return 1.0
    return exp_chain.exps_per_second()


def check_operators(bench: Bench, cases: Sequence[Case]) -> Iterator[dict]:
    """Each operator against float64, with all gradients.

    Raises:
        RuntimeError: An error is beyond the tolerance of the tests.
    """
    gpu_tolerances = import_tolerances()
    wrong = []
    for case in cases:
        for name, check in CHECKS.items():
            record = dict(
                operator=name,
                dtype=str(case.dtype).removeprefix('torch.'),
                clips=case.batch,
                directions=case.K,
                backend=case.backend,
                **check(bench, case),
            )
            allowed, allowed_gradients = gpu_tolerances(
                case.dtype, chain=name == 'inner'
            )
            if bench.dry:
                # Triton's interpreter rounds to bfloat16 towards zero.
                allowed, allowed_gradients = 2 * allowed, 2 * allowed_gradients
            # A NaN is within no tolerance.
            record['ok'] = record['out'] <= allowed and all(
                error <= allowed_gradients
                for error in record['grads'].values()
            )
            if case.backend == 'triton':
                record['ok'] = record['ok'] and record['repeat']
            if not record['ok']:
                wrong.append(f'{name} {record["dtype"]}')
            yield record
    if wrong:
        raise RuntimeError(
            f'beyond the tolerance of tests/tolerances.py: {", ".join(wrong)}'
        )


def import_tolerances() -> Callable:
    """The tests' table, of outputs and gradients on a GPU."""
    if str(ROOT / 'tests') not in sys.path:
        sys.path.append(str(ROOT / 'tests'))
    from tolerances import gpu_tolerances

    return gpu_tolerances


def check_scan(bench: Bench, case: Case) -> dict:
    L = None if case.whole else min(bench.sizes.L, 257)
    _, inputs, order = bench.scan_inputs(case.batch, case.dtype, L, case.K)

    return compare(
        bench,
        dict(zip(SCAN_NAMES, inputs)),
        partial(selective_scan, backend=case.backend),
        reference.selective_scan,
        (True, order),
    )


def check_conv(bench: Bench, case: Case) -> dict:
    D = bench.sizes.D
    L = None if case.whole else min(bench.sizes.L, 257)
    xz, _, order = bench.scan_inputs(case.batch, case.dtype, L, case.K)
    return compare(
        bench,
        dict(
            x=xz[..., :D],
            weight=bench.randn(case.K, D, 4),
            bias=bench.randn(case.K, D),
        ),
        partial(causal_conv1d, backend=case.backend),
        reference.causal_conv1d,
        (order, 'silu'),
    )


def check_inner(bench: Bench, case: Case) -> dict:
    _, D, N, dt_rank, length, _ = bench.sizes
    L = length if case.whole else min(length, 257)
    xz, scan, order = bench.scan_inputs(case.batch, case.dtype, L, case.K)
    _, _, A, _, _, skip, _, dt_bias = scan
    K = case.K
    return compare(
        bench,
        dict(
            xz=xz,
            conv_weight=bench.randn(K, D, 4) / 2,
            conv_bias=bench.randn(K, D),
            x_proj=bench.randn(K, dt_rank + 2 * N, D) / D**0.5,
            dt_proj=bench.randn(K, D, dt_rank) / dt_rank**0.5,
            dt_bias=dt_bias,
            A=A,
            D=skip,
        ),
        partial(mamba_inner, backend=case.backend),
        partial(mamba_inner, backend='reference'),
        (order,),
    )


CHECKS = dict(scan=check_scan, conv=check_conv, inner=check_inner)


def compare(
    bench: Bench,
    inputs: Dict[str, Tensor],
    operator: Callable,
    expected_operator: Callable,
    options: tuple,
) -> dict:
    """Values, gradients, and whether these repeat bit for bit."""
    start = time.time()
    leaves = [t.detach().requires_grad_() for t in inputs.values()]
    out = operator(*leaves, *options)
    weights = bench.randn(*out.shape, dtype=out.dtype)
    gradients = torch.autograd.grad(out, leaves, weights)
    bench.synchronize()
    first = time.time() - start
    again = torch.autograd.grad(operator(*leaves, *options), leaves, weights)

    wide = [t.detach().double().requires_grad_() for t in leaves]
    expected = expected_operator(*wide, *options)
    expected_gradients = torch.autograd.grad(expected, wide, weights.double())
    errors = map(relative_error, gradients, expected_gradients)
    return dict(
        out=two_digits(relative_error(out, expected)),
        grads=dict(zip(inputs, map(two_digits, errors))),
        repeat=all(map(torch.equal, gradients, again)),
        first_call_s=round(first, 1),
        s=round(time.time() - start, 1),
    )


def measure_kernels(bench: Bench) -> Iterator[dict]:
    """The launches of scan and convolution, together and one by one."""
    for batch in bench.batches:
        yield from bench.fit(batch, partial(time_kernels, bench))


def time_kernels(bench: Bench, batch: int) -> dict:
    calls = make_calls(bench, batch)
    times = {f'{name}_ms': bench.median_ms(c) for name, c in calls.items()}
    kernels = bench.kernel_times(partial(call_all, calls))
    return dict(**times, kernels=kernels)


def call_all(calls: Dict[str, Callable]) -> None:
    for call in calls.values():
        call()


def make_calls(bench: Bench, batch: int) -> Dict[str, Callable]:
    """Forward and backward of the scan and of the convolution."""
    K, D, _, _, L, _ = bench.sizes
    xz, inputs, order = bench.scan_inputs(batch)
    grad = bench.randn(batch, L, D, dtype=BF16)
    grad_conv = bench.randn(K, batch, L, D, dtype=BF16)
    conv = xz[..., :D], bench.randn(K, D, 4), bench.randn(K, D), order, 'silu'
    scan = *inputs, True, order
    kernels = triton_backend.kernels()
    _, states = kernels.selective_scan(True, *scan)
    return dict(
        forward=lambda: kernels.selective_scan(False, *scan),
        backward=lambda: kernels.selective_scan_backward(grad, states, *scan),
        conv=lambda: kernels.causal_conv1d(*conv),
        conv_backward=lambda: kernels.causal_conv1d_backward(grad_conv, *conv),
    )
