"""Run the Triton kernels on CPU tensors, where there is no GPU.

Everything but the device is as on a GPU: the public functions, the registered
operators, their autograd and the code that launches. What runs a kernel is up
to Triton: its interpreter, with TRITON_INTERPRET=1 in the environment, or
whatever has taken the place of `JITFunction.__getitem__`.
"""

from contextlib import contextmanager
from functools import partial

import torch

from mmvideomamba.ops import cpu, registration, triton


@contextmanager
def triton_on_cpu():
    """Let CPU tensors take the Triton kernels inside the context."""
    before = triton.why_not, registration.CPP_DEVICES
    let_cpu_take_triton()
    try:
        yield
    finally:
        _register_on_cpu(partial(getattr, cpu.kernels))
        triton.why_not, registration.CPP_DEVICES = before


def let_cpu_take_triton():
    """Let CPU tensors take the Triton kernels, by backend 'triton'."""
    _register_on_cpu(triton.kernel)
    triton.why_not = lambda device_type: None
    registration.CPP_DEVICES = ()


def _register_on_cpu(kernel):
    for name in triton.KERNELS:
        torch.library.register_kernel(
            f'mmvideomamba::{name}',
            'cpu',
            registration.checked(name, kernel(name)),
        )
