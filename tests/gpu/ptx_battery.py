"""The cases that tests/ops has for a GPU, run from PTX on a CPU.

    python tests/gpu/ptx_battery.py 90 small

The first argument is the compute capability to compile for, ten times; the
second one of

    quick   a scan in float32, a mixer and a norm in 16 bits, at a few steps
    awkward absent and strided arguments, a scan cut into segments
    small   sizes that divide nothing, a scan cut into segments or not
    real    VideoMamba-S: one clip of 16 frames in segments, a batch of 64
    long    a clip of 128 frames, in segments or not
    ex2     exponentials that are off by two units in the last place

16 bits are bfloat16 where the GPU has it, else float16.

One JSON line per case: whether values and all gradients are within the
tolerances of a GPU, whether they repeat bit for bit, the largest errors (and
for `mamba_inner` in 16 bits those of the reference in that dtype), the
kernels, bytes that replicas wrote differently (see `ptxrun/runtime.h`),
instructions in millions, seconds. Fails if a case does not agree.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Callable, Dict, Iterator, List, NamedTuple, Tuple

import ptxrun
import torch
import triton
from torch import Tensor
from without_a_gpu import (
    MULTIPROCESSORS,
    imagine_multiprocessors,
    run_operators_from_ptx,
)

# isort: split
from tolerances import gpu_tolerances, relative_errors

TESTS = Path(__file__).parents[1]


class Case(NamedTuple):
    """One call, forwards and backwards.

    Attributes:
        name (str): To be printed.
        operator (str): Its name in `mmvideomamba.ops`.
        inputs (dict[str, Tensor]): The operator's.
        options (dict): Its other arguments.
        multiprocessors (int): Of the GPU that is imagined.
        exp2_error (int): See `ptxrun.options`.
        autocast (torch.dtype): That the operator is called under; float32
            is none.
    """

    name: str
    operator: str
    inputs: Dict[str, Tensor]
    options: dict
    multiprocessors: int = MULTIPROCESSORS
    exp2_error: int = 0
    autocast: torch.dtype = torch.float32


def import_tests() -> Tuple[ModuleType, ModuleType]:
    """test_operators.py and test_triton.py of tests/ops.

    tests/conftest.py asks for Triton's interpreter, which must be revoked
    before a kernel is imported.
    """
    sys.path[:0] = [str(TESTS / 'ops'), str(TESTS)]
    import conftest  # noqa: F401  # before both

    os.environ.pop('TRITON_INTERPRET', None)
    import test_operators
    import test_triton

    return test_operators, test_triton


make_inputs, ops_tests = import_tests()


def as_a_mixer_leaves_them(inputs: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """B, C and z as the views of projections that they are in a model."""
    dt_rank = 3
    in_B, in_C, z = (inputs[name] for name in ('B', 'C', 'z'))
    dt = torch.zeros(*in_B.shape[:-1], dt_rank).to(in_B)
    projected = torch.cat([dt, in_B, in_C], dim=-1)
    _, in_B, in_C = projected.split([dt_rank, *[in_B.shape[-1]] * 2], dim=-1)
    _, z = torch.cat([z, z], dim=-1).chunk(2, dim=-1)
    return dict(inputs, B=in_B, C=in_C, z=z)


def first_half(x: Tensor) -> Tensor:
    """x as the view of a projection that it is in a model."""
    return torch.cat([x, x], dim=-1).chunk(2, dim=-1)[0]


def scan_case(
    name: str, inputs: Dict[str, Tensor], order: Tensor, **fields: int
) -> Case:
    options = dict(delta_softplus=True, order=order)
    inputs = as_a_mixer_leaves_them(inputs)
    return Case(name, 'selective_scan', inputs, options, **fields)


def conv_case(name: str, inputs: Dict[str, Tensor], order: Tensor) -> Case:
    inputs = dict(inputs, x=first_half(inputs['x']))
    return Case(name, 'causal_conv1d', inputs, dict(order=order))


def inner_case(name: str, dtype: torch.dtype, **sizes: int) -> Case:
    inputs = make_inputs.inner_inputs(**sizes, dtype=dtype)
    order = make_inputs.make_order(sizes['K'], sizes['L'])
    return Case(f'{name} {dtype}', 'mamba_inner', inputs, dict(order=order))


def slow_decays(L: int, D: int, dtype: torch.dtype) -> Dict[str, Tensor]:
    inputs = ops_tests.slow_decays(L, D)
    for name in ('u', 'delta', 'B', 'C', 'z'):
        inputs[name] = inputs[name].to(dtype)
    return inputs


def norm_case(tokens: int, C: int, autocast: torch.dtype) -> Case:
    torch.manual_seed(0)
    inputs = dict(x=torch.randn(tokens, C), weight=torch.randn(C))
    name = f'norm {tokens} tokens of {C} {autocast}'
    options = dict(eps=1e-5)
    return Case(name, 'rms_norm', inputs, options, autocast=autocast)


def quick_cases(half: torch.dtype) -> Iterator[Case]:
    order = make_inputs.make_order(2, 6)
    sizes = dict(K=2, B=1, L=6, D=3)
    scan = make_inputs.scan_inputs(**sizes, N=2, dtype=torch.float32)
    yield scan_case('scan', scan, order)
    yield inner_case('inner', half, **sizes, N=2, R=3, W=3)
    yield norm_case(3, 5, half)


def small_cases(half: torch.dtype) -> Iterator[Case]:
    for sizes in ops_tests.SCAN_SIZES:
        order = make_inputs.make_order(sizes['K'], sizes['L'])
        inputs = make_inputs.scan_inputs(**sizes, dtype=torch.float32)
        for count in (0, MULTIPROCESSORS):
            name = f'scan {sizes} mp{count}'
            yield scan_case(name, inputs, order, multiprocessors=count)
        conv_sizes = {name: sizes[name] for name in 'KBLD'}
        conv = make_inputs.conv_inputs(**conv_sizes, dtype=torch.float32)
        yield conv_case(f'conv {sizes}', conv, order)
        yield inner_case(f'inner {sizes}', torch.float32, **sizes, R=3)
    # More tokens than one program takes.
    yield norm_case(70, 34, torch.float32)


def awkward_cases(half: torch.dtype) -> Iterator[Case]:
    sizes = dict(K=2, B=2, L=70, D=40)
    order = make_inputs.make_order(2, 70)
    one = dict(sizes, B=1)
    inputs = make_inputs.scan_inputs(**one, dtype=torch.float32)
    inputs = as_a_mixer_leaves_them(inputs)
    for name in ('D', 'z', 'delta_bias'):
        del inputs[name]
    inputs['delta'] = inputs['delta'].abs()
    yield Case('nothing optional', 'selective_scan', inputs, {})
    narrow = make_inputs.scan_inputs(**sizes, dtype=half)
    yield scan_case(f'{half} strided', narrow, order)
    conv = make_inputs.conv_inputs(**sizes, W=7, dtype=half)
    del conv['bias']
    conv['x'] = first_half(conv['x'])
    options = dict(order=order, activation=None)
    yield Case('conv W7 no bias', 'causal_conv1d', conv, options)
    conv = make_inputs.conv_inputs(**sizes, W=1, dtype=torch.float32)
    yield Case('conv W1 no order', 'causal_conv1d', conv, {})


def real_cases(half: torch.dtype) -> Iterator[Case]:
    sizes = dict(K=2, L=1569, D=768)
    tokens = torch.arange(1569)
    both_ways = torch.stack([tokens, tokens.flip(0)])
    for dtype in (torch.bfloat16, torch.float32, torch.float16):
        slow = slow_decays(1569, 768, dtype)
        yield scan_case(f'VideoMamba-S B=1 {dtype}', slow, both_ways)
        order = make_inputs.make_order(2, 9)
        batch = dict(sizes, B=64, L=9)
        inputs = make_inputs.scan_inputs(**batch, N=16, dtype=dtype)
        yield scan_case(f'B=64 L=9 {dtype}', inputs, order)
        order = make_inputs.make_order(2, 1569)
        conv = make_inputs.conv_inputs(**sizes, B=1, dtype=dtype)
        yield conv_case(f'conv B=1 {dtype}', conv, order)
        yield norm_case(1569, 384, dtype)
        yield inner_case('inner B=1', dtype, **sizes, B=1, N=16, R=24)


def long_cases(half: torch.dtype) -> Iterator[Case]:
    order = make_inputs.make_order(2, 12545)
    for dtype in (torch.bfloat16, torch.float16):
        inputs = slow_decays(12545, 64, dtype)
        for count in (0, MULTIPROCESSORS):
            name = f'128 frames {dtype} mp{count}'
            yield scan_case(name, inputs, order, multiprocessors=count)


def inexact_cases(half: torch.dtype) -> Iterator[Case]:
    order = make_inputs.make_order(2, 1569)
    for mode in (1, 2, 3):
        inputs = ops_tests.slow_decays(1569, 64)
        name = f'slow decays, ex2 off by {mode}'
        yield scan_case(name, inputs, order, exp2_error=mode)


CASES: Dict[str, Callable[[torch.dtype], Iterator[Case]]] = dict(
    quick=quick_cases,
    awkward=awkward_cases,
    small=small_cases,
    real=real_cases,
    long=long_cases,
    ex2=inexact_cases,
)


def run_case(case: Case) -> dict:
    """Run a case twice and compare it with float64."""
    import mmvideomamba.ops

    imagine_multiprocessors(case.multiprocessors)
    ptxrun.options.exp2_error = case.exp2_error
    start = time.time()
    before = len(ptxrun.launched)
    operator = getattr(mmvideomamba.ops, case.operator)

    def run(inputs: Dict[str, Tensor], backend: str) -> Dict[str, Tensor]:
        on = case.autocast != torch.float32
        with torch.autocast('cpu', case.autocast, enabled=on):
            return ops_tests.gradients(operator, inputs, backend, case.options)

    actual, again = (run(case.inputs, 'triton') for _ in range(2))
    wide = {name: t.double() for name, t in case.inputs.items()}
    expected = run(wide, 'reference')
    errors = relative_errors(actual, expected)
    dtype = actual['out'].dtype
    chain = case.operator == 'mamba_inner'
    tolerances = gpu_tolerances(dtype, chain)
    beside = {}
    if chain and dtype.itemsize == 2:
        rounded = run(case.inputs, 'reference')
        own = relative_errors(rounded, expected)
        beside = dict(reference=two_digits(own))
    launched: List[ptxrun.Launched] = ptxrun.launched[before:]
    instructions = sum(launch.instructions for launch in launched) // 2
    return dict(
        case=case.name,
        # A NaN is not within any tolerance.
        ok=all(errors[n] <= tolerances[n != 'out'] for n in errors),
        repeat=all(torch.equal(actual[n], again[n]) for n in actual),
        worst=two_digits(errors),
        **beside,
        kernels=sorted({launch.kernel for launch in launched}),
        replicas=sum(launch.replica_bytes_differ for launch in launched),
        Minstr=round(instructions / 1e6, 2),
        s=round(time.time() - start, 1),
    )


def two_digits(errors: Dict[str, float]) -> Dict[str, float]:
    return {name: float(f'{error:.1e}') for name, error in errors.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('capability', type=int, help='times ten: 90')
    parser.add_argument('cases', choices=CASES)
    parser.add_argument(
        '--fast-build', action='store_true', help='with g++ -O0'
    )
    args = parser.parse_args()
    if args.fast_build:
        ptxrun.options.optimize = '-O0'
    run_operators_from_ptx(args.capability)
    header = dict(triton=triton.__version__, cap=args.capability)
    print(json.dumps(dict(header, what=args.cases)), flush=True)
    failed = False
    half = torch.bfloat16 if args.capability >= 80 else torch.float16
    for case in CASES[args.cases](half):
        result = run_case(case)
        failed |= not result['ok']
        print(json.dumps(result), flush=True)
    sys.exit(failed)


if __name__ == '__main__':
    main()
