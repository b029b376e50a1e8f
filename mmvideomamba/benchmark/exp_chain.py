"""How many exponentials a GPU takes per second with nothing around them.

`torch.exp` cannot tell: it reads and writes memory, which takes longer. Here
every lane keeps eight numbers in registers and replaces each by exp2(-x), over
and over. Importing this takes Triton.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..ops.triton.options import LAUNCH
from .timing import fastest

LANES, STEPS = 1024, 1024
# Full waves of programs on every GPU: 48 is a multiple of the 16, 12 or 8
# programs of four warps that its multiprocessors hold.
PROGRAMS_PER_MULTIPROCESSOR = 48


@triton.jit(do_not_specialize=['steps'])
def exp_chain_kernel(  # type: ignore[no-untyped-def]  # compiled by Triton
    out_ptr, steps, LANES: tl.constexpr
):
    lanes = tl.arange(0, LANES)
    x = lanes.to(tl.float32) / LANES
    for _ in range(steps):
        x = tl.exp2(-x)
    tl.store(out_ptr + tl.program_id(0) * LANES + lanes, x)


def exp_chain(out: Tensor, steps: int) -> None:
    """Take `steps` exponentials for each element of `out`.

    Args:
        out (Tensor): (programs, LANES) float32. In every row x = 0, 1 / LANES
            and so on, replaced `steps` times by exp2(-x), is written there.
        steps (int): Length of the chain.
    """
    exp_chain_kernel[(len(out),)](out, steps, LANES=LANES, **LAUNCH)


def exps_per_second() -> float:
    """Measure it on the current CUDA device."""
    gpu = torch.cuda.get_device_properties(torch.cuda.current_device())
    programs = PROGRAMS_PER_MULTIPROCESSOR * gpu.multi_processor_count
    out = torch.empty(programs, LANES, device='cuda')
    chain = fastest(lambda: exp_chain(out, STEPS), 'cuda')
    return out.numel() * STEPS / chain
