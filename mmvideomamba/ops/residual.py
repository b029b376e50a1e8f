"""The sum of the residual stream and a block's branch."""

from typing import Any, Tuple

import torch
from torch import Tensor

from .transforms import is_mapped, takes_other_derivatives


def add_branch(x: Tensor, branch: Tensor, factor: Tensor) -> Tensor:
    """x + branch * factor, in one pass over the tokens whatever their dtypes.

    Under autocast the stream is float32 and the branch of 16 bits: PyTorch
    makes float32 copies of the branch on a GPU, and of its gradient anywhere.

    Args:
        x (Tensor): (B, L, C).
        branch (Tensor): (B, L, C), of any float dtype.
        factor (Tensor): (B, 1, 1), without a gradient: 0 drops a sample's
            branch.

    Returns:
        Tensor: As `x`.
    """
    if (
        x.dtype == branch.dtype
        or torch.compiler.is_compiling()
        or is_mapped()
        or takes_other_derivatives()
    ):
        return torch.addcmul(x, branch, factor)
    return _AddBranch.apply(x, branch, factor)


class _AddBranch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, branch: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(factor)
        ctx.dtype = branch.dtype
        # Autocast leaves alone what is told where to write.
        return torch.addcmul(x, branch, factor, out=torch.empty_like(x))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tuple[Tensor, Tensor, None]:
        (factor,) = ctx.saved_tensors
        if torch.is_grad_enabled():
            return grad, (grad * factor).to(ctx.dtype), None
        dbranch = torch.empty_like(grad, dtype=ctx.dtype)
        return grad, torch.mul(grad, factor, out=dbranch), None
