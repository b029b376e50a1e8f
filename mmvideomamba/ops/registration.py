"""The operators as PyTorch sees them: `torch.ops.mmvideomamba.*`.

A kernel is registered per device, in C++ for CPUs (`cpu/`) and in Triton for
CUDA GPUs (`triton/`), and PyTorch's dispatcher takes the one of the tensors'
device. This file holds what does not depend on the device: schemas, checks,
fake kernels and autograd. So `torch.compile`, `torch.export` and FLOP counters
see each operator as one node, and a kernel sees raw tensors.

An operator, its kernels, its function in C++ and its check in `arguments.py`
have one name. What the arguments mean is said in `api.py`.

Autocast has no rule for these operators and casts nothing: data arrive in
float32, bfloat16 or float16, the parameters A, D, delta_bias, weight and bias
in float32. Each gradient has the shape and the dtype of its input; an
operator cannot return None, so the gradients of absent inputs are missing.
"""

from typing import Any, Callable, Dict, List, Optional, Tuple

import torch
from torch import Tensor, library

from . import arguments, triton
from .cpu import kernels
from .transforms import is_mapped, refuse_forward_mode

CONV = 'Tensor x, Tensor weight, Tensor? bias, Tensor? order, str? activation'
SCAN = (
    'Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, '
    'Tensor? z, Tensor? delta_bias, bool delta_softplus, Tensor? order'
)
INNER = (
    'Tensor xz, Tensor conv_weight, Tensor conv_bias, Tensor x_proj, '
    'Tensor dt_proj, Tensor dt_bias, Tensor A, Tensor D, Tensor? order'
)
# Devices of the C++ kernels, which keep states for the backward pass. The
# Triton kernels keep what they gate, and what their scan takes of each token.
CPP_DEVICES = ('cpu',)


# Fake kernels: shapes and dtypes of the results.


def _fake_conv(x: Tensor, weight: Tensor, *others: Any) -> Tensor:
    return x.new_empty(weight.shape[0], *x.shape)


def _fake_scan(save: bool, *inputs: Any) -> Tuple[Tensor, Tensor]:
    u, _, A, _, _, _, z, *_ = inputs
    shape, dtype = _kept_by_scan(u, z, *u.shape, A.shape[-1])
    kept = u.new_empty(shape if save else (0,), dtype=dtype)
    return u.new_empty(u.shape[1:]), kept


def _fake_inner(save: bool, *inputs: Any) -> Tuple[Tensor, ...]:
    xz, _, _, x_proj, _, _, A, *_ = inputs
    K, D, N = A.shape
    batch, L, _ = xz.shape
    kept = _kept_by_inner(xz, K, batch, L, D, N, x_proj.shape[1])
    return (
        xz.new_empty(batch, L, D),
        *(
            xz.new_empty(shape if save else (0,), dtype=dtype)
            for shape, dtype in kept
        ),
    )


def _fake_norm(
    x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype
) -> Tuple[Tensor, Tensor]:
    return x.new_empty(x.shape, dtype=dtype), x.new_empty(x.shape[:-1])


def _fake_gradients(num_extra: int) -> Callable:
    """Empty gradients of the tensors after the first `num_extra` arguments.

    The order, of integers, has none.
    """

    def fake(*args: Any) -> List[Tensor]:
        return [
            t.new_empty(t.shape)
            for t in args[num_extra:]
            if isinstance(t, Tensor) and t.is_floating_point()
        ]

    return fake


def _fake_norm_gradients(
    grad: Tensor, x: Tensor, weight: Tensor, scale: Tensor
) -> List[Tensor]:
    return [x.new_empty(x.shape), weight.new_empty(weight.shape)]


def _kept_by_scan(
    u: Tensor, z: Optional[Tensor], *sizes: int
) -> Tuple[Tuple[int, ...], torch.dtype]:
    """Shape and dtype of what a scan of (K, B, L, D, N) keeps."""
    if u.device.type in CPP_DEVICES:
        return kernels.states_shape(*sizes), torch.float32
    _, *gated, _ = sizes
    shape = tuple(gated) if z is not None else (0,)
    return shape, triton.kept_dtype(u.dtype)


def _kept_by_inner(
    xz: Tensor, K: int, batch: int, L: int, D: int, N: int, P: int
) -> List[Tuple[Tuple[int, ...], torch.dtype]]:
    """Shapes and dtypes of the projections, the scan's, and u beside delta."""
    projected = (K, batch, L, P), torch.float32
    kept = _kept_by_scan(xz, xz, K, batch, L, D, N)
    on_cpu = xz.device.type in CPP_DEVICES
    drives = (0,) if on_cpu else (2, K, batch, L, D)
    return [projected, kept, (drives, torch.float32 if on_cpu else xz.dtype)]


# The checks, for the arguments that an operator has before those of its
# function.


def _check_conv_backward(grad: Any, *inputs: Any) -> None:
    sizes = arguments.causal_conv1d(*inputs)
    arguments.gradient(grad, [sizes[axis] for axis in 'KBLD'], inputs[0])


def _check_scan(save: bool, *inputs: Any) -> None:
    arguments.selective_scan(*inputs)


def _check_scan_backward(grad: Any, kept: Any, *inputs: Any) -> None:
    sizes = arguments.selective_scan(*inputs)
    u, z = inputs[0], inputs[6]
    arguments.gradient(grad, [sizes[axis] for axis in 'BLD'], u)
    K, B, L, D, N = (sizes[axis] for axis in 'KBLDN')
    shape, dtype = _kept_by_scan(u, z, K, B, L, D, N)
    arguments.kept('kept', kept, shape, u, dtype)


def _check_inner(save: bool, *inputs: Any) -> None:
    arguments.mamba_inner(*inputs)


def _check_inner_backward(
    grad: Any, projected: Any, kept: Any, drives: Any, *inputs: Any
) -> None:
    xz, *_ = inputs
    sizes = arguments.mamba_inner(*inputs)
    arguments.gradient(grad, [sizes[axis] for axis in 'BLD'], xz)
    expected = _kept_by_inner(xz, *(sizes[axis] for axis in 'KBLDNP'))
    for name, t, (shape, dtype) in zip(
        ('projected', 'kept', 'drives'), (projected, kept, drives), expected
    ):
        arguments.kept(name, t, shape, xz, dtype)


def _check_norm(x: Any, weight: Any, eps: float, dtype: Any) -> None:
    arguments.rms_norm_kernel(x, weight)
    if dtype not in (torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(
            f'dtype: expected float32, bfloat16 or float16, got {dtype}'
        )


def _check_norm_backward(grad: Any, x: Any, weight: Any, scale: Any) -> None:
    arguments.rms_norm_kernel(x, weight)
    arguments.gradient(grad, x.shape, x)
    arguments.kept('scale', scale, x.shape[:-1], x)


CHECKS: Dict[str, Callable] = {
    'causal_conv1d': arguments.causal_conv1d,
    'causal_conv1d_backward': _check_conv_backward,
    'selective_scan': _check_scan,
    'selective_scan_backward': _check_scan_backward,
    'mamba_inner': _check_inner,
    'mamba_inner_backward': _check_inner_backward,
    'rms_norm': _check_norm,
    'rms_norm_backward': _check_norm_backward,
}


def _define(name: str, schema: str, fake: Callable) -> Any:
    operator = library.custom_op(
        f'mmvideomamba::{name}',
        checked(name, getattr(kernels, name)),
        mutates_args=(),
        device_types='cpu',
        schema=schema,
    )
    if name in triton.KERNELS:
        operator.register_kernel('cuda')(checked(name, triton.kernel(name)))
    operator.register_fake(checked(name, fake))
    return operator


def checked(name: str, kernel: Callable) -> Callable:
    """A kernel of an operator, behind the check of its arguments."""
    check = CHECKS[name]

    def call(*args: Any) -> Any:
        refuse_forward_mode()
        check(*args)
        return kernel(*args)

    return call


# Whether anything is kept for a backward pass comes first, as `save`.
causal_conv1d = _define(
    'causal_conv1d',
    f'({CONV}) -> Tensor',
    _fake_conv,
)
_conv_backward = _define(
    'causal_conv1d_backward',
    f'(Tensor grad, {CONV}) -> Tensor[]',
    _fake_gradients(1),
)
_scan = _define(
    'selective_scan',
    f'(bool save, {SCAN}) -> (Tensor out, Tensor kept)',
    _fake_scan,
)
_scan_backward = _define(
    'selective_scan_backward',
    f'(Tensor grad, Tensor kept, {SCAN}) -> Tensor[]',
    _fake_gradients(2),
)
_inner = _define(
    'mamba_inner',
    f'(bool save, {INNER}) -> '
    '(Tensor out, Tensor projected, Tensor kept, Tensor drives)',
    _fake_inner,
)
_inner_backward = _define(
    'mamba_inner_backward',
    f'(Tensor grad, Tensor projected, Tensor kept, Tensor drives, {INNER}) '
    '-> Tensor[]',
    _fake_gradients(4),
)
_norm = _define(
    'rms_norm',
    '(Tensor x, Tensor weight, float eps, ScalarType dtype) -> '
    '(Tensor out, Tensor scale)',
    _fake_norm,
)
_norm_backward = _define(
    'rms_norm_backward',
    '(Tensor grad, Tensor x, Tensor weight, Tensor scale) -> Tensor[]',
    _fake_norm_gradients,
)


def selective_scan(*inputs: Any) -> Tensor:
    """See `mmvideomamba.ops.selective_scan`, for the inputs up to order."""
    return _scan(_wants_gradient(*inputs), *inputs)[0]


def mamba_inner(*inputs: Any) -> Tensor:
    """See `mmvideomamba.ops.mamba_inner`, for the inputs up to order."""
    return _inner(_wants_gradient(*inputs), *inputs)[0]


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """See `mmvideomamba.ops.rms_norm`; x and weight in float32."""
    dtype = x.dtype
    # Under autocast the product that follows asks for it.
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
    return _norm(x, weight, eps, dtype)[0]


def _wants_gradient(*inputs: Any) -> bool:
    return torch.is_grad_enabled() and (
        is_mapped()
        or any(isinstance(t, Tensor) and t.requires_grad for t in inputs)
    )


# Autograd.


def _save_conv(ctx: Any, inputs: tuple, output: Any) -> None:
    *tensors, ctx.activation = inputs
    ctx.save_for_backward(*tensors)


def _differentiate_conv(ctx: Any, grad: Tensor) -> tuple:
    *tensors, order = ctx.saved_tensors
    gradients = _conv_backward(grad, *tensors, order, ctx.activation)
    return (*_spread(gradients, *tensors), None, None)


def _save_scan(ctx: Any, inputs: tuple, output: Any) -> None:
    ctx.saved, *tensors, ctx.delta_softplus, order = inputs
    _keep(ctx, output, *tensors, order)


def _differentiate_scan(ctx: Any, grad: Optional[Tensor], *_: Any) -> tuple:
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    _require_saved(ctx)
    kept, *tensors, order = ctx.saved_tensors
    gradients = _scan_backward(grad, kept, *tensors, ctx.delta_softplus, order)
    return (None, *_spread(gradients, *tensors), None, None)


def _save_inner(ctx: Any, inputs: tuple, output: Any) -> None:
    ctx.saved, *tensors = inputs
    _keep(ctx, output, *tensors)


def _differentiate_inner(ctx: Any, grad: Optional[Tensor], *_: Any) -> tuple:
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    _require_saved(ctx)
    return (None, *_inner_backward(grad, *ctx.saved_tensors), None)


def _save_norm(ctx: Any, inputs: tuple, output: Any) -> None:
    x, weight, *_ = inputs
    _keep(ctx, output, x, weight)


def _differentiate_norm(ctx: Any, grad: Optional[Tensor], *_: Any) -> tuple:
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    scale, x, weight = ctx.saved_tensors
    return (*_norm_backward(grad, x, weight, scale), None, None)


def _keep(
    ctx: Any, output: Tuple[Tensor, ...], *tensors: Optional[Tensor]
) -> None:
    """Keep tensors, after what the operator returned beside its result."""
    _, *beside = output
    ctx.mark_non_differentiable(*beside)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*beside, *tensors)


def _require_saved(ctx: Any) -> None:
    if not ctx.saved:
        raise RuntimeError(
            'nothing was kept for a backward pass: the model was exported '
            'under torch.no_grad(); export it with gradients enabled'
        )


def _spread(gradients: List[Tensor], *inputs: Optional[Tensor]) -> list:
    """One entry per input: its gradient, or None where it is absent."""
    remaining = iter(gradients)
    return [None if t is None else next(remaining) for t in inputs]


def _refuse_second_derivative(ctx: Any, *grads: Any) -> None:
    raise RuntimeError(
        'second derivatives are not implemented by this scan backend; '
        "use backend='reference'"
    )


causal_conv1d.register_autograd(_differentiate_conv, setup_context=_save_conv)
_scan.register_autograd(_differentiate_scan, setup_context=_save_scan)
_inner.register_autograd(_differentiate_inner, setup_context=_save_inner)
_norm.register_autograd(_differentiate_norm, setup_context=_save_norm)
for _backward in (
    _conv_backward,
    _scan_backward,
    _inner_backward,
    _norm_backward,
):
    _backward.register_autograd(_refuse_second_derivative)
