"""Kernels with a fault each: prints what `ptxrun` says, a JSON object.

Run by test_ptxrun.py in a process of its own, as `ptxrun` replaces how Triton
launches kernels.
"""

import json
from typing import Optional

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


def complaint(kernel: JITFunction, grid: tuple, *args, **constants: int):
    """What keeps a launch from succeeding."""
    try:
        kernel[grid](*args, **constants)
    except RuntimeError as error:
        return str(error)
    return None


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
    )
    assert torch.equal(out, x + 1)
    print(json.dumps(said))


if __name__ == '__main__':
    main()
