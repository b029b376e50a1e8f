"""The backend `mamba_ssm`: mamba-ssm and causal-conv1d, where installed.

Only their public functions are called, `selective_scan_fn` and
`causal_conv1d_fn`. Both want channels first and one direction, so tokens are
gathered into scan order, the directions become groups of channels of a single
call (the kernels read B and C per group, so this is exact), and results are
put back in token order. That moves memory the Triton kernels leave in place.

Their kernels return each direction in the data's dtype, before the float32
sum here, and add gradients of A, B, C and D atomically: these differ in their
last digits from run to run.
"""

import importlib
from typing import Callable, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from .loading import Unavailable, load_once

MAX_STATES = 256
WIDTHS = (2, 3, 4)


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
) -> Tensor:
    """See `mmvideomamba.ops.causal_conv1d`.

    Raises:
        ValueError: A width that causal-conv1d has no kernel for.
    """
    K, D, W = weight.shape
    if W not in WIDTHS:
        raise ValueError(
            f"scan backend 'mamba_ssm' convolves with a width of {WIDTHS}, "
            f"got {W}; take scan backend 'triton'"
        )
    steps = _channels_first(x.expand(K, *x.shape), order)
    out = causal_conv1d_fn()(
        steps,
        weight.float().reshape(K * D, W),
        None if bias is None else bias.float().reshape(K * D),
        activation=activation,
    )
    return _in_token_order(out, K, order)


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Optional[Tensor],
    z: Optional[Tensor],
    delta_bias: Optional[Tensor],
    delta_softplus: bool,
    order: Optional[Tensor],
) -> Tensor:
    """See `mmvideomamba.ops.selective_scan`.

    Raises:
        ValueError: More states than mamba-ssm has a kernel for.
    """
    K, batch, L, _ = u.shape
    N = A.shape[2]
    if N > MAX_STATES:
        raise ValueError(
            f"scan backend 'mamba_ssm' has at most {MAX_STATES} states, "
            f"got {N}; take scan backend 'triton'"
        )
    B, C = (
        _channels_first(t.to(u.dtype), order).view(batch, K, N, L)
        for t in (B, C)
    )
    D, delta_bias = (
        None if t is None else t.float().flatten() for t in (D, delta_bias)
    )
    y = selective_scan_fn()(
        _channels_first(u, order),
        _channels_first(delta.to(u.dtype), order),
        A.float().flatten(0, 1),
        B,
        C,
        D,
        delta_bias=delta_bias,
        delta_softplus=delta_softplus,
    )
    # The gate is shared, so it comes after the sum.
    y = _in_token_order(y, K, order).sum(0, dtype=torch.float32)
    if z is not None:
        y = y * F.silu(z.float())
    return y.to(u.dtype)


def _channels_first(x: Tensor, order: Optional[Tensor]) -> Tensor:
    """(K, B, L, D) in token order -> (B, K * D, L) in scan order."""
    x = _along(x.permute(1, 0, 3, 2), order)
    return x.flatten(1, 2).contiguous()


def _in_token_order(y: Tensor, K: int, order: Optional[Tensor]) -> Tensor:
    """The inverse of `_channels_first`."""
    inverse = None if order is None else order.argsort(-1)
    return _along(y.unflatten(1, (K, -1)), inverse).permute(1, 0, 3, 2)


def _along(x: Tensor, order: Optional[Tensor]) -> Tensor:
    """Gather the tokens of x (B, K, D, L) along `order` (K, L)."""
    if order is None:
        return x
    return x.gather(3, order[None, :, None].expand_as(x))


def why_not(device_type: str) -> Optional[str]:
    """Return what keeps this backend from running, None where it runs."""
    if device_type != 'cuda':
        return f'it runs on cuda tensors, not on {device_type}'
    return selective_scan_fn.why_not() or causal_conv1d_fn.why_not()


@load_once
def selective_scan_fn() -> Callable:
    """The public function of mamba-ssm."""
    return _load('mamba_ssm', 'selective_scan_fn', 'selective_scan_cuda')


@load_once
def causal_conv1d_fn() -> Callable:
    """The public function of causal-conv1d."""
    return _load('causal_conv1d', 'causal_conv1d_fn', 'causal_conv1d_cuda')


def _load(package: str, function: str, extension: str) -> Callable:
    """Import the extension too: a package may be there without its kernels.

    A kernel built for another torch fails with whatever error it likes.
    """
    try:
        importlib.import_module(extension)
        return getattr(importlib.import_module(package), function)
    except Exception as error:
        raise Unavailable(
            f'{extension} of {package.replace("_", "-")} cannot be '
            f'imported ({error}); see docs/scan_backends.md'
        ) from error
