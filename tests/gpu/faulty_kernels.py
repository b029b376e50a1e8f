"""Kernels with a fault each: prints what `ptxrun` says, a JSON object.

Run by test_ptxrun.py in a process of its own, as `ptxrun` replaces how Triton
launches kernels.
"""

import functools
import itertools
import json
import re
from typing import Callable, List, Optional
from unittest import mock

import ptxrun
import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.jit import JITFunction


@triton.jit
def add_one(x_ptr, out_ptr, size, LANES: tl.constexpr):
    """Without a fault where out and x have `size` numbers."""
    i = tl.program_id(0) * LANES + tl.arange(0, LANES)
    x = tl.load(x_ptr + i, mask=i < size, other=0)
    tl.store(out_ptr + i, x + 1, mask=i < size)


@triton.jit
def store_in_one_place(out_ptr):
    """Every program stores its number in the first place."""
    tl.store(out_ptr, tl.program_id(0))


@triton.jit
def pass_on(out_ptr):
    """Every program reads what the one before it stores."""
    number = tl.program_id(0)
    before = tl.load(out_ptr + number)
    tl.store(out_ptr + number + 1, before + 1)


@triton.jit(do_not_specialize=['first'])
def load_by_fours(x_ptr, out_ptr, first, LANES: tl.constexpr):
    """Promises that `first` is a multiple of four."""
    i = tl.arange(0, LANES)
    places = tl.max_contiguous(tl.multiple_of(first + i, 4), 4)
    tl.store(out_ptr + i, tl.load(x_ptr + places))


@triton.jit
def square_sum(x_ptr, out_ptr, LANES: tl.constexpr):
    """Without a fault; two sums over all warps, through shared memory."""
    x = tl.load(x_ptr + tl.arange(0, LANES))
    tl.store(out_ptr, tl.sum(x * tl.sum(x, 0), 0))


def complaint(kernel: JITFunction, grid: tuple, *args, **constants: int):
    """What keeps a launch from succeeding."""
    try:
        kernel[grid](*args, **constants)
    except RuntimeError as error:
        return str(error)
    return None


def complaints_without_a_barrier() -> List[Optional[str]]:
    """What is said of `square_sum` without its n-th barrier, for each n."""
    x, out = torch.arange(64.0), torch.zeros(1)
    barrier = re.compile(r'bar\.sync[^;]*;')
    load_library = ptxrun.launch.load_library
    seen = []

    def without(left_out: int, ptx: str) -> Callable:
        seen.append(ptx)
        count = itertools.count()
        return load_library(
            barrier.sub(lambda b: b[0] if next(count) != left_out else '', ptx)
        )

    def complain(left_out: int) -> Optional[str]:
        load = functools.partial(without, left_out)
        with mock.patch.object(ptxrun.launch, 'load_library', load):
            options = dict(LANES=64, num_warps=2)
            return complaint(square_sum, (1,), x, out, **options)

    assert complain(-1) is None and out == x.sum() ** 2
    barriers = len(barrier.findall(seen[0]))
    return [complain(left_out) for left_out in range(barriers)]


def main() -> None:
    ptxrun.install()
    ptxrun.options.optimize = '-O0'

    def add(x: Tensor, out: Tensor, size: int) -> Optional[str]:
        return complaint(add_one, (2,), x, out, size, LANES=32)

    x, out = torch.arange(40.0), torch.zeros(40)
    numbers = torch.zeros(3, dtype=torch.int32)
    said = dict(
        sound=add(x, out, 40),
        load=add(x[:-1], torch.zeros(40), 40),
        store=add(x, torch.zeros(39), 40),
        one_place=complaint(store_in_one_place, (2,), numbers),
        passed_on=complaint(pass_on, (2,), numbers),
        misaligned=complaint(
            load_by_fours,
            (1,),
            torch.zeros(600),
            torch.zeros(512),
            1,
            LANES=512,
        ),
        barriers=complaints_without_a_barrier(),
    )
    assert torch.equal(out, x + 1)
    print(json.dumps(said))


if __name__ == '__main__':
    main()
