"""What the operators cost, for PyTorch's `FlopCounterMode`.

A multiply-accumulate is two operations, as in PyTorch's own formulas. A scan
is counted as Mamba's authors do: 9 multiply-accumulates per token, channel
and state of each direction, one more per token and channel for the skip D and
one for the gate z. A backward pass costs twice the forward pass: what an
engine computes again to save memory is not counted.
"""

import math

import torch
from torch.utils.flop_counter import register_flop_formula

from . import registration  # noqa: F401, which registers the operators

_ours = torch.ops.mmvideomamba


@register_flop_formula(_ours.causal_conv1d)
def _conv(x, weight, *args, **kwargs) -> int:
    num_directions, _, width = weight
    return 2 * num_directions * width * math.prod(x)


@register_flop_formula(_ours.selective_scan)
def _scan(u, delta, A, B, C, D, z, *args, **kwargs) -> int:
    per_element = 9 * A[-1] + (D is not None) + (z is not None)
    return 2 * per_element * math.prod(u)


@register_flop_formula(_ours.mamba_inner)
def _inner(
    xz, conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D, *args, **kwargs
) -> int:
    batch, length, _ = xz
    num_directions, num_projected, channels = x_proj
    x = batch, length, channels
    u = num_directions, *x
    products = 2 * math.prod(u) * (num_projected + dt_proj[-1])
    return _conv(x, conv_weight) + products + _scan(u, u, A, u, u, D, x)


@register_flop_formula(_ours.causal_conv1d_backward)
def _conv_backward(grad, *inputs, **kwargs) -> int:
    return 2 * _conv(*inputs)


@register_flop_formula(_ours.selective_scan_backward)
def _scan_backward(grad, states, *inputs, **kwargs) -> int:
    return 2 * _scan(*inputs)


@register_flop_formula(_ours.mamba_inner_backward)
def _inner_backward(grad, projected, states, *inputs, **kwargs) -> int:
    return 2 * _inner(*inputs)
