"""The backend for CUDA GPUs with nothing to install: kernels in Triton.

Triton comes with torch's CUDA wheels and compiles at the first call. Data are
float32, bfloat16 or float16, arithmetic and states float32. Gradients are the
same bit for bit from run to run: no atomics.

Importing this package imports no Triton: a broken one must not break ours.
"""

import importlib
import os
from types import ModuleType
from typing import Any, Callable, Optional

import torch

from ..loading import Unavailable, load_once

# Older ones cannot make tuples in kernels.
OLDEST_TRITON = (3, 3)
# The compute capability of a T4; kernels are tested for none before it.
OLDEST_GPU = (7, 5)
# The operators that have kernels in Triton.
KERNELS = (
    'causal_conv1d',
    'causal_conv1d_backward',
    'selective_scan',
    'selective_scan_backward',
    'mamba_inner',
    'mamba_inner_backward',
    'rms_norm',
    'rms_norm_backward',
)


def why_not(device_type: str) -> Optional[str]:
    """Return what keeps this backend from running, None where it runs."""
    if device_type != 'cuda':
        return f'it runs on cuda tensors, not on {device_type}'
    if os.environ.get('TRITON_INTERPRET') == '1':
        return 'TRITON_INTERPRET=1 keeps Triton from compiling; unset it'
    return kernels.why_not()


@load_once
def kernels() -> ModuleType:
    """Return the module that launches the kernels.

    Raises:
        RuntimeError: A CUDA graph is being captured: to load them is no part
            of one.
    """
    if torch.cuda.is_available():
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError(
                'a CUDA graph is being captured, and kernels have yet to be '
                'compiled: call the model once before, as training does'
            )
        capability = torch.cuda.get_device_capability()
        if capability < OLDEST_GPU:
            raise Unavailable(
                f'{torch.cuda.get_device_name()} has compute capability '
                f'{capability[0]}.{capability[1]}, and kernels need '
                f'{OLDEST_GPU[0]}.{OLDEST_GPU[1]}, a T4 or newer'
            )
    try:
        import triton

        version = triton.__version__
        if tuple(map(int, version.split('.')[:2])) < OLDEST_TRITON:
            raise Unavailable(
                f'Triton {version} is older than 3.3, that of torch 2.7'
            )
        launchers = importlib.import_module('.operators', __package__)
    except Unavailable:
        raise
    # A broken Triton fails in more ways than ImportError.
    except Exception as error:
        raise Unavailable(
            f'Triton cannot be imported ({error}); pip install triton'
        ) from error
    try:
        launchers.try_launch()
    # Triton compiles the C code that launches: no compiler, no Python.h.
    except Exception as error:
        raise Unavailable(
            f'Triton cannot launch a kernel ({error}); '
            'see docs/scan_backends.md'
        ) from error
    return launchers


def kept_dtype(dtype: torch.dtype) -> torch.dtype:
    """Of dy, states and parts of sums between kernels, for data of a dtype.

    bfloat16 has the range of float32, and data are rounded to it once more
    anyway; a state may be beyond the range of float16.
    """
    return dtype if dtype == torch.bfloat16 else torch.float32


def kernel(name: str) -> Callable:
    """Return one of `KERNELS`, which imports Triton at its first call."""

    def launch(*args: Any) -> Any:
        return getattr(kernels(), name)(*args)

    return launch
