"""What every launch of a kernel says, and what it requires."""

from typing import Optional

import torch
from torch import Tensor

# Sums of products are fused, which later versions of Triton do only if asked.
# Loops are not pipelined: the kernels load ahead themselves, and Triton 3.5.1
# to 3.7.0 pipeline some recurrent ones wrongly for Blackwell
# (https://github.com/state-spaces/mamba/issues/997).
LAUNCH = dict(enable_fp_fusion=True, num_stages=1)


def require_int32_offsets(L: int, stride: int) -> None:
    """Raise where offsets within a clip are beyond what kernels count to.

    Args:
        L (int): Tokens of the clip.
        stride (int): Numbers from one token to the next.

    Raises:
        ValueError: There are 2**31 numbers or more.
    """
    if L * stride >= 2**31:
        raise ValueError(
            f"scan backend 'triton' takes clips of less than 2**31 numbers, "
            f'got {L} tokens of {stride}; take fewer frames'
        )


def require_arithmetic(x: Tensor) -> None:
    """Raise where the GPU cannot compute with the dtype of x.

    Raises:
        ValueError: bfloat16 before compute capability 8.0.
    """
    if x.dtype == torch.bfloat16 and x.is_cuda:
        capability = torch.cuda.get_device_capability(x.device)
        if capability < (8, 0):
            raise ValueError(
                f'{torch.cuda.get_device_name(x.device)} has no bfloat16; '
                'take float16, with train.py --amp fp16, or float32'
            )


def given_or_token_order(
    order: Optional[Tensor], K: int, L: int, device: torch.device
) -> Tensor:
    """The order, or that of the tokens if there is none: (K, L)."""
    if order is None:
        order = torch.arange(L, device=device).expand(K, L)
    return order.contiguous()
