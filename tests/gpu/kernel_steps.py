"""Steps of `gpu_first.py` about single kernels: right, and how fast."""

import importlib
import sys
import time
from functools import partial
from typing import Callable, Dict, Iterator

import torch
import triton
from bench import Bench, relative_error, two_digits
from torch import Tensor

from mmvideomamba.ops import (
    causal_conv1d,
    reference,
    selective_scan,
)
from mmvideomamba.ops import (
    triton as triton_backend,
)

BF16 = torch.bfloat16
SCAN_NAMES = ('u', 'delta', 'A', 'B', 'C', 'D', 'z', 'bias')


def describe_machine(bench: Bench) -> Iterator[dict]:
    """Versions, and how fast the GPU copies, multiplies and takes exp."""
    record = dict(
        torch=torch.__version__,
        triton=triton.__version__,
        python=sys.version.split()[0],
    )
    if not bench.dry:
        record.update(measure_roofline(bench))
    yield record


def measure_roofline(bench: Bench) -> dict:
    from mmvideomamba.benchmark.exp_chain import exps_per_second

    gpu = torch.cuda.get_device_properties(0)
    return dict(
        gpu=gpu.name,
        sm=gpu.multi_processor_count,
        cap=torch.cuda.get_device_capability(),
        copy_TBps=round(measure_copy(bench) / 1e12, 3),
        bf16_TFLOPs=round(measure_product(bench) / 1e12, 1),
        Gexp_per_s=round(exps_per_second() / 1e9, 1),
    )


def measure_copy(bench: Bench) -> float:
    """Bytes per second, read and written."""
    source = bench.empty(2**29, dtype=BF16)
    target = torch.empty_like(source)
    ms = bench.median_ms(lambda: target.copy_(source))
    return 2 * source.nbytes / ms * 1e3


def measure_product(bench: Bench, size: int = 8192) -> float:
    """Operations per second of a product of square matrices."""
    matrix = bench.randn(size, size, dtype=BF16)
    ms = bench.median_ms(lambda: matrix @ matrix)
    return 2 * size**3 / ms * 1e3


def check_operators(bench: Bench) -> Iterator[dict]:
    """Both operators against float64, with all gradients."""
    L = bench.sizes.L
    for case, batch, dtype, length in (
        ('bf16 one clip', 1, BF16, L),
        ('bf16 batch', 4, BF16, min(L, 257)),
        ('fp32 one clip', 1, torch.float32, L),
        ('fp16 one clip', 1, torch.float16, L),
    ):
        record = check_scan(bench, batch, dtype, length)
        yield dict(case=case, **record)
    yield check_conv(bench)


def check_scan(bench: Bench, batch: int, dtype: torch.dtype, L: int) -> dict:
    """Values, gradients, and whether these repeat bit for bit."""
    start = time.time()
    _, inputs, order = bench.scan_inputs(batch, dtype, L)
    leaves = [t.clone().requires_grad_() for t in inputs]

    def scan() -> Tensor:
        return selective_scan(*leaves, True, order, backend='triton')

    first = time.time()
    out = scan()
    weights = bench.randn(*out.shape, dtype=dtype)
    gradients = torch.autograd.grad(out, leaves, weights)
    bench.synchronize()
    first = time.time() - first
    again = torch.autograd.grad(scan(), leaves, weights)

    wide = [t.detach().double().requires_grad_() for t in leaves]
    expected = reference.selective_scan(*wide, True, order)
    expected_gradients = torch.autograd.grad(expected, wide, weights.double())
    errors = map(relative_error, gradients, expected_gradients)
    return dict(
        out=relative_error(out, expected),
        grads=dict(zip(SCAN_NAMES, map(two_digits, errors))),
        repeat=all(map(torch.equal, gradients, again)),
        first_call_s=round(first, 1),
        s=round(time.time() - start, 1),
    )


def check_conv(bench: Bench) -> dict:
    K, D = bench.sizes.K, bench.sizes.D
    xz, _, order = bench.scan_inputs(2)
    inputs = xz[..., :D], bench.randn(K, D, 4), bench.randn(K, D)
    leaves = [t.detach().requires_grad_() for t in inputs]
    out = causal_conv1d(*leaves, order, 'silu', backend='triton')
    weights = bench.randn(*out.shape, dtype=out.dtype)
    gradients = torch.autograd.grad(out, leaves, weights)
    wide = [t.detach().double().requires_grad_() for t in leaves]
    expected = reference.causal_conv1d(*wide, order, 'silu')
    expected_gradients = torch.autograd.grad(expected, wide, weights.double())
    errors = map(relative_error, gradients, expected_gradients)
    return dict(
        conv_out=relative_error(out, expected),
        conv_grads=list(map(two_digits, errors)),
    )


def measure_scan_kernels(bench: Bench) -> Iterator[dict]:
    """The launches of both operators, together and kernel by kernel."""
    for batch in bench.batches:
        calls = make_calls(bench, batch)
        times = {name: bench.median_ms(c) for name, c in calls.items()}
        kernels = bench.kernel_times(partial(call_all, calls))
        yield dict(B=batch, **times, kernels=kernels)
    yield {}


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


def measure_mamba(bench: Bench) -> Iterator[dict]:
    """mamba-ssm's kernels, once a direction; also padded to a full 2048."""
    try:
        importlib.import_module('mamba_ssm')
    # A build for another torch fails in more ways than ImportError.
    except Exception as error:
        yield dict(skipped=str(error)[:200])
        return
    from mmvideomamba.benchmark.scan_workloads import (
        PASSES,
        ScanCase,
        implementations,
        make_inputs,
        make_pass,
    )

    _, D, N, _, L, _ = bench.sizes
    record: dict = {}

    def measure(name: str, inputs: dict, label: str) -> None:
        for pass_name in PASSES:
            call = make_pass(implementations()[name], inputs, pass_name)
            ms = round(bench.median_ms(call, 10), 4)
            short = 'forward' if pass_name == 'forward' else 'both'
            record[f'{label} {short}'] = ms

    twice = 'mamba-ssm-twice'
    for batch in (bench.sizes.batch, 1):
        inputs = make_inputs(ScanCase('bf16', batch, L, D, N, 'cuda'))
        for name in ('triton', twice):
            measure(name, inputs, f'{name} B={batch}')
        call = make_pass(implementations()[twice], inputs, PASSES[1])
        record[f'kernels B={batch}'] = bench.kernel_times(call, 3)
        yield record
        inputs = make_inputs(ScanCase('bf16', batch, 2048, D, N, 'cuda'))
        measure(twice, inputs, f'{twice} B={batch} L=2048')
    yield record
