"""FLOP formulas of the operators, for PyTorch's `FlopCounterMode`.

A multiply-accumulate is two operations, as in PyTorch's own formulas. A scan
is counted as Mamba's authors do: 9 multiply-accumulates per token, channel and
state of each direction, one more per token and channel for the skip D and one
for the gate z. A backward pass costs twice the forward pass: what a kernel
computes again to save memory is not counted. Tensors come as their shapes.
"""

import math
from typing import Any, Sequence

import torch
from torch.utils.flop_counter import register_flop_formula

from . import registration  # noqa: F401  it defines the operators

_ours = torch.ops.mmvideomamba


@register_flop_formula(_ours.causal_conv1d)
def _conv_flops(
    x: Sequence[int], weight: Sequence[int], *args: Any, **kwargs: Any
) -> int:
    num_directions, _, width = weight
    return 2 * num_directions * width * math.prod(x)


@register_flop_formula(_ours.selective_scan)
def _scan_flops(
    save: bool, u: Sequence[int], *args: Any, **kwargs: Any
) -> int:
    _, A, _, _, D, z, *_ = args
    per_element = 9 * A[-1] + (D is not None) + (z is not None)
    return 2 * per_element * math.prod(u)


@register_flop_formula(_ours.mamba_inner)
def _inner_flops(
    save: bool, xz: Sequence[int], *args: Any, **kwargs: Any
) -> int:
    conv_weight, _, x_proj, dt_proj, _, A, D, *_ = args
    batch, length, _ = xz
    num_directions, num_projected, channels = x_proj
    x = batch, length, channels
    u = num_directions, *x
    products = 2 * math.prod(u) * (num_projected + dt_proj[-1])
    conv = _conv_flops(x, conv_weight)
    return conv + products + _scan_flops(save, u, u, A, u, u, D, x)


@register_flop_formula(_ours.causal_conv1d_backward)
def _conv_backward_flops(grad: Any, *inputs: Any, **kwargs: Any) -> int:
    return 2 * _conv_flops(*inputs)


@register_flop_formula(_ours.selective_scan_backward)
def _scan_backward_flops(
    grad: Any, states: Any, *inputs: Any, **kwargs: Any
) -> int:
    return 2 * _scan_flops(True, *inputs)


@register_flop_formula(_ours.mamba_inner_backward)
def _inner_backward_flops(
    grad: Any,
    projected: Any,
    kept: Any,
    drives: Any,
    *inputs: Any,
    **kwargs: Any,
) -> int:
    return 2 * _inner_flops(True, *inputs)
