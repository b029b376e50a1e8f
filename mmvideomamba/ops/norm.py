"""The root-mean-square norm around the scan.

PyTorch composes it of five operators on CPUs, each a pass over the tokens,
and more in backward. The C++ engine has it in one. Everywhere else, and where
`torch.compile` fuses the operators itself, PyTorch's is taken.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor, library
from torch.nn import functional as F

from . import cpu


def rms_norm(x: Tensor, weight: Tensor, eps: Optional[float] = None) -> Tensor:
    """Divide by the root of the mean square of the last axis.

        y = x / sqrt(mean(x^2) + eps) * weight

    Args:
        x (Tensor): (..., C), any float dtype.
        weight (Tensor): (C,).
        eps (float, optional): Added to the mean square; by default float32's
            precision, float64's for float64.

    Returns:
        Tensor: As `x`, and twice differentiable, from PyTorch. From the C++
        kernel (float32 on a CPU) once differentiable, and under bfloat16
        autocast bfloat16, which the product behind the norm would ask for.
    """
    if _has_kernel(x, weight):
        eps = torch.finfo(x.dtype).eps if eps is None else eps
        return _rms_norm(x, weight, eps, _dtype_of_products(x))[0]
    return F.rms_norm(x, weight.shape, weight, eps)


def _has_kernel(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == 'cpu'
        and x.dtype == weight.dtype == torch.float32
        and x.shape[-1:] == weight.shape
        and not torch.compiler.is_compiling()
        and cpu.why_not('cpu') is None
    )


def _dtype_of_products(x: Tensor) -> torch.dtype:
    autocast = torch.is_autocast_enabled('cpu')
    if autocast and torch.get_autocast_dtype('cpu') == torch.bfloat16:
        return torch.bfloat16
    return x.dtype


@library.custom_op('mmvideomamba::rms_norm', mutates_args=())
def _rms_norm(
    x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype
) -> Tuple[Tensor, Tensor]:
    return cpu.rms_norm(x, weight, eps, dtype)


@_rms_norm.register_fake
def _(x, weight, eps, dtype):
    out = x.new_empty(x.shape, dtype=dtype)
    return out, x.new_empty(x.shape[:-1])


@library.custom_op('mmvideomamba::rms_norm_backward', mutates_args=())
def _rms_norm_backward(
    grad: Tensor, x: Tensor, weight: Tensor, scale: Tensor
) -> Tuple[Tensor, Tensor]:
    return cpu.rms_norm_backward(grad, x, weight, scale)


@_rms_norm_backward.register_fake
def _(grad, x, weight, scale):
    return x.new_empty(x.shape), torch.empty_like(weight)


def _save(ctx, inputs, output) -> None:
    x, weight, *_ = inputs
    scale = output[1]
    ctx.mark_non_differentiable(scale)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, weight, scale)


def _differentiate(ctx, grad, _):
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    gradients = _rms_norm_backward(grad, *ctx.saved_tensors)
    return (*gradients, None, None)


library.register_autograd(
    'mmvideomamba::rms_norm', _differentiate, setup_context=_save
)


def _refuse_second_derivative(ctx, *grads):
    raise RuntimeError(
        'second derivatives of this norm are implemented in float64 only'
    )


library.register_autograd(
    'mmvideomamba::rms_norm_backward', _refuse_second_derivative
)
