"""The public operators: what they mean, and the choice of a backend.

One meaning, several backends. `reference` defines; the others must agree with
it, outputs and gradients. On its way down a call enters each file once:

    api             chooses a backend
    registration    the operator, autograd; PyTorch chooses by device:
    arguments       checks the arguments
    cpu | triton    the kernel

`mamba_ssm` and `reference` are functions of other differentiable functions
and need no registration; their arguments are checked here. What no kernel
takes, the reference computes, whatever the backend: float64, mamba-ssm's
empty tensors, and derivatives by forward-mode AD or `torch.func`.
"""

import logging
from functools import cache
from types import ModuleType
from typing import Any, Callable, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import require_choice
from . import arguments, cpu, mamba_ssm, reference, registration, triton
from .transforms import takes_other_derivatives

logger = logging.getLogger(__name__)

BACKENDS = {
    'cpu': cpu,
    'triton': triton,
    'mamba_ssm': mamba_ssm,
    'reference': reference,
}
SCAN_BACKENDS = ('auto', *BACKENDS)
# What 'auto' tries on a device, in this order.
PREFERENCE = {
    'cpu': ('cpu', 'reference'),
    'cuda': ('triton', 'mamba_ssm', 'reference'),
}


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor] = None,
    order: Optional[Tensor] = None,
    activation: Optional[str] = 'silu',
    backend: str = 'auto',
) -> Tensor:
    """Causal depthwise convolution along each scan direction.

    Step t of direction k sees the tokens `order[k, t - W + 1 .. t]`; steps
    before the first are zero. Sums are float32 (float64 for float64 input).

    Args:
        x (Tensor): (B, L, D), any float dtype; strided views are fine.
        weight (Tensor): (K, D, W); `weight[..., -1]` meets the current step.
        bias (Tensor, optional): (K, D).
        order (Tensor, optional): (K, L) int64, one permutation of the tokens
            per direction. None: every direction visits them as they are.
        activation (str, optional): 'silu' or None.
        backend (str): See `choose_backend`.

    Returns:
        Tensor: (K, B, L, D) in token order, dtype of `x`.

    Raises:
        TypeError: Something else than a tensor.
        ValueError: A dtype, layout, shape or device that does not fit, no
            direction, no token, an order that is no permutation, an unknown
            activation or backend.
        RuntimeError: The backend asked for by name cannot run here.
    """
    inputs = x, weight, bias, order, activation
    implementation = _take(backend, arguments.causal_conv1d, *inputs)
    return implementation.causal_conv1d(*inputs)


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Optional[Tensor] = None,
    z: Optional[Tensor] = None,
    delta_bias: Optional[Tensor] = None,
    delta_softplus: bool = False,
    order: Optional[Tensor] = None,
    backend: str = 'auto',
) -> Tensor:
    """Selective state-space scan over K directions, summed and gated.

    With delta' = softplus(delta + delta_bias), each direction k computes
    along its own order (Mamba, equation 2; the paper, equations 1 to 3)

        s_t = exp(delta'_t A) s_{t-1} + delta'_t u_t B_t
        y_t = s_t . C_t + D u_t

    and the result is SiLU(z) * sum_k y^(k). The state, delta and the sum are
    float32 (float64 for float64 input) whatever the inputs' dtype.

    Args:
        u (Tensor): (K, B, L, D), the input; any float dtype, strides and all.
        delta (Tensor): (K, B, L, D), the step sizes before bias and softplus.
        A (Tensor): (K, D, N), negative.
        B (Tensor): (K, B, L, N).
        C (Tensor): (K, B, L, N).
        D (Tensor, optional): (K, D), the skip connection.
        z (Tensor, optional): (B, L, D), the gate, shared by the directions.
        delta_bias (Tensor, optional): (K, D).
        delta_softplus (bool): Apply softplus to delta + delta_bias.
        order (Tensor, optional): (K, L) int64, one permutation of the tokens
            per direction. None: every direction visits them as they are.
        backend (str): See `choose_backend`.

    Returns:
        Tensor: (B, L, D) in token order, dtype of `u`.

    Raises:
        TypeError: Something else than a tensor.
        ValueError: A dtype, layout, shape or device that does not fit, no
            direction, no token, an order that is no permutation, an unknown
            backend.
        RuntimeError: The backend asked for by name cannot run here.
    """
    inputs = u, delta, A, B, C, D, z, delta_bias, delta_softplus, order
    implementation = _take(backend, arguments.selective_scan, *inputs)
    return implementation.selective_scan(*inputs)


def mamba_inner(
    xz: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor,
    x_proj: Tensor,
    dt_proj: Tensor,
    dt_bias: Tensor,
    A: Tensor,
    D: Tensor,
    order: Optional[Tensor] = None,
    backend: str = 'auto',
) -> Tensor:
    """What a mixer computes between in_proj and out_proj.

        [x, z] = xz
        u = SiLU(causal_conv1d(x))
        [dt, B, C] = W_x u
        delta = softplus(W_dt dt + b_dt)
        out = SiLU(z) * sum_k selective_scan_k(u, delta, A, B, C, D)

    Backends 'cpu' and 'triton' have it as one operator, faster than its
    parts. On CPUs it does not round what passes between them to the dtype of
    `xz`; on GPUs delta is rounded after softplus.

    Args:
        xz (Tensor): (B, L, 2 D), x and z; any float dtype.
        conv_weight (Tensor): (K, D, W).
        conv_bias (Tensor): (K, D).
        x_proj (Tensor): (K, R + 2 N, D), from a convolved token to dt, B, C.
        dt_proj (Tensor): (K, D, R), from dt to delta.
        dt_bias (Tensor): (K, D), added to delta before softplus.
        A (Tensor): (K, D, N), negative.
        D (Tensor): (K, D), the skip connection.
        order (Tensor, optional): (K, L) int64, one permutation of the tokens
            per direction. None: every direction visits them as they are.
        backend (str): See `choose_backend`.

    Returns:
        Tensor: (B, L, D) in token order, dtype of `xz`.

    Raises:
        TypeError: Something else than a tensor.
        ValueError: A dtype, layout, shape or device that does not fit, no
            direction, no token, an order that is no permutation, an unknown
            backend.
        RuntimeError: The backend asked for by name cannot run here.
    """
    parameters = conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D
    inputs = xz, *parameters, order
    implementation = _take(backend, arguments.mamba_inner, *inputs)
    if implementation is registration:
        return registration.mamba_inner(*inputs)
    x, z = xz.chunk(2, dim=-1)
    u = implementation.causal_conv1d(x, conv_weight, conv_bias, order, 'silu')
    delta, B, C = scan_inputs(u, x_proj, dt_proj)
    return implementation.selective_scan(
        u, delta, A, B, C, D, z, dt_bias, True, order
    )


def scan_inputs(
    u: Tensor, x_proj: Tensor, dt_proj: Tensor
) -> Tuple[Tensor, Tensor, Tensor]:
    """Project each direction's tokens to its input-dependent SSM parameters.

    The products are taken in the dtype of `u`.

    Args:
        u (Tensor): (K, B, L, D), convolved.
        x_proj (Tensor): (K, R + 2 N, D), to dt, B and C.
        dt_proj (Tensor): (K, D, R), from dt to delta.

    Returns:
        tuple: delta (K, B, L, D) before bias and softplus, and B and C, both
        (K, B, L, N).
    """
    R = dt_proj.shape[2]
    N = (x_proj.shape[1] - R) // 2
    projected = torch.bmm(u.flatten(1, 2), x_proj.to(u.dtype).transpose(1, 2))
    dt, B, C = projected.split([R, N, N], dim=-1)
    delta = torch.bmm(dt, dt_proj.to(dt.dtype).transpose(1, 2))
    delta, B, C = (t.unflatten(1, u.shape[1:3]) for t in (delta, B, C))
    return delta, B, C


def rms_norm(
    x: Tensor,
    weight: Tensor,
    eps: Optional[float] = None,
    backend: str = 'auto',
) -> Tensor:
    """Divide by the root of the mean square of the last axis.

        y = x / sqrt(mean(x^2) + eps) * weight

    PyTorch composes it of five operators on CPUs, each a pass over the
    tokens, and on GPUs it takes a second pass to what autocast asks for.
    Backends 'cpu' and 'triton' have it in one, for float32; elsewhere, and
    where `torch.compile` fuses the operators itself, PyTorch's is taken.

    Args:
        x (Tensor): (..., C), any float dtype.
        weight (Tensor): (C,).
        eps (float, optional): Added to the mean square; by default float32's
            precision, float64's for float64.
        backend (str): See `choose_backend`; 'mamba_ssm' and 'reference' take
            PyTorch's.

    Returns:
        Tensor: As `x`, and twice differentiable, from PyTorch. From a kernel
        once differentiable, and under autocast of its dtype, which the
        product that follows would ask for.

    Raises:
        TypeError: Something else than a tensor.
        ValueError: A dtype, layout, shape or device that does not fit, an
            unknown backend.
        RuntimeError: The backend asked for by name cannot run here.
    """
    arguments.rms_norm(x, weight)
    require_choice('scan backend', backend, SCAN_BACKENDS)
    if (
        x.dtype == weight.dtype == torch.float32
        and x.device.type != 'meta'
        and not torch.compiler.is_compiling()
        and _implementation(backend, x) is registration
    ):
        eps = torch.finfo(x.dtype).eps if eps is None else eps
        return registration.rms_norm(x, weight, eps)
    return F.rms_norm(x, weight.shape, weight, eps)


def choose_backend(backend: str, device: torch.device) -> str:
    """Return the name of the backend that runs the operators on `device`.

    Args:
        backend (str): 'auto' takes the first backend that can run and logs
            once which, and why it passed over others. 'cpu', 'triton',
            'mamba_ssm' or 'reference' takes that one and nothing else.
        device (torch.device): Where the tensors are. On the meta device,
            where nothing is computed, the operators take every name.

    Raises:
        ValueError: Unknown name.
        RuntimeError: The named backend cannot run; the message is its reason.
    """
    require_choice('scan backend', backend, SCAN_BACKENDS)
    return _runnable(backend, device.type)


def _take(backend: str, check: Callable, *inputs: Any) -> ModuleType:
    """`_implementation` for `inputs`, checked unless a kernel checks them."""
    if not arguments.reach_the_check(inputs):
        check(*inputs)
    implementation = _implementation(backend, inputs[0])
    if implementation is not registration:
        check(*inputs)
    return implementation


def _implementation(backend: str, x: Tensor) -> ModuleType:
    """The module whose `causal_conv1d` and `selective_scan` take `x`."""
    # Shapes without numbers: those of the registered operators, always.
    if x.device.type == 'meta':
        require_choice('scan backend', backend, SCAN_BACKENDS)
        return registration
    backend = choose_backend(backend, x.device)
    if (
        backend == 'reference'
        or x.dtype == torch.float64
        or takes_other_derivatives()
    ):
        return reference
    if backend == 'mamba_ssm':
        # CUDA refuses to launch nothing.
        return mamba_ssm if x.numel() else reference
    return registration


def _runnable(backend: str, device_type: str) -> str:
    if backend == 'auto':
        return _first_runnable(device_type)
    reason = BACKENDS[backend].why_not(device_type)
    if reason is not None:
        raise RuntimeError(f'scan backend {backend!r} cannot run: {reason}')
    return backend


# torch.compile takes the answer as it is, without tracing how it is found:
# `torch.compiler.assume_constant_result`, which does no more than this, takes
# a second to import.
_runnable._dynamo_marked_constant = True  # type: ignore[attr-defined]


@cache
def _first_runnable(device_type: str) -> str:
    passed_over = []
    for name in PREFERENCE.get(device_type, ('reference',)):
        reason = BACKENDS[name].why_not(device_type)
        if reason is None:
            break
        passed_over.append(f'{name}: {reason}')
    # The reference is 50 times slower than a kernel: worth a warning.
    level = logging.WARNING if name == 'reference' else logging.INFO
    instead = f', instead of {"; ".join(passed_over)}' if passed_over else ''
    logger.log(level, 'scan backend on %s: %s%s', device_type, name, instead)
    return name
