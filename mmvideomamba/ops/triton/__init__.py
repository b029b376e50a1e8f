"""The engine for CUDA GPUs with nothing to install: kernels in Triton.

Triton comes with torch's CUDA wheels and compiles at the first call. Data are
float32, bfloat16 or float16, arithmetic and states float32; float64, which
exists for checking, goes to the reference. Gradients are the same bit for bit
from run to run: no atomics. That `order` holds permutations is not checked,
which would wait for the GPU. The kernels are beside this file.

With TRITON_INTERPRET=1 in the environment Triton runs kernels in numpy, on
CPU tensors: slow, and how the tests check them without a GPU.
"""

import importlib
import os
from functools import cache
from types import ModuleType
from typing import Callable, Optional, Union

import torch
from torch import Tensor

from .. import reference, registration
from ..inner import compose

# Before, kernels could not make tuples.
OLDEST_TRITON = (3, 3)


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
) -> Tensor:
    """See `mmvideomamba.ops.causal_conv1d`."""
    if x.dtype == torch.float64:
        return reference.causal_conv1d(x, weight, bias, order, activation)
    return registration.causal_conv1d(
        'triton', x, weight, bias, order, activation
    )


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
    """See `mmvideomamba.ops.selective_scan`."""
    inputs = u, delta, A, B, C, D, z, delta_bias, delta_softplus, order
    if u.dtype == torch.float64:
        return reference.selective_scan(*inputs)
    return registration.selective_scan('triton', *inputs)


mamba_inner = compose(causal_conv1d, selective_scan)


def why_not(device_type: str) -> Optional[str]:
    """Return what keeps this engine from running, None where it runs."""
    interpreted = os.environ.get('TRITON_INTERPRET') == '1'
    if interpreted and device_type == 'cuda':
        return 'TRITON_INTERPRET=1 has it run on cpu tensors'
    if device_type != ('cpu' if interpreted else 'cuda'):
        return f'it runs on cuda tensors, not on {device_type}'
    kernels = _load()
    return kernels if isinstance(kernels, str) else None


@cache
def _load() -> Union[ModuleType, str]:
    """The kernels, or why there are none; not before they are needed."""
    try:
        import triton

        version = triton.__version__
        if tuple(map(int, version.split('.')[:2])) < OLDEST_TRITON:
            return f'Triton {version} is older than 3.3, that of torch 2.7'
        kernels = importlib.import_module('.kernels', __package__)
    # A broken Triton fails in more ways than ImportError.
    except Exception as error:
        return f'Triton cannot be imported ({error}); pip install triton'
    try:
        kernels.try_launch()
    # Triton compiles the C code that launches: no compiler, no Python.h.
    except Exception as error:
        return (
            f'Triton cannot launch a kernel ({error}); '
            'see docs/scan_backends.md'
        )
    return kernels


def _late(name: str) -> Callable:
    """A kernel by name: a broken Triton must not break the package."""
    return lambda *args: getattr(_load(), name)(*args)


registration.register_kernels(
    'triton',
    registration.Kernels(
        conv_forward=_late('conv_forward'),
        conv_backward=_late('conv_backward'),
        scan_forward=_late('scan_forward'),
        scan_backward=_late('scan_backward'),
        # The backward pass starts from the inputs.
        states_shape=lambda u, A: (0,),
    ),
)
