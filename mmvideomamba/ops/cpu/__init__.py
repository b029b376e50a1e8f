"""The backend for CPUs: kernels in C++ (`../csrc/`), called through ctypes.

Arithmetic is float32; rows of tokens may be float32 or bfloat16, with any
strides. float16 is converted to float32 and back.

Results are the same bit for bit from run to run with one number of threads
(`torch.set_num_threads`).
"""

from typing import Optional

from . import binding


def why_not(device_type: str) -> Optional[str]:
    """Return what keeps this backend from running, None where it runs."""
    if device_type != 'cpu':
        return f'it runs on cpu tensors, not on {device_type}'
    return binding.kernel_library.why_not()
