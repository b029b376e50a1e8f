"""GPU kernels in Triton, and the functions that launch them.

Importing this takes Triton; the engine is in `__init__.py`.
"""

from .conv import conv_backward, conv_forward
from .launch import scan_backward, scan_forward
from .probe import try_launch

__all__ = [
    'conv_backward',
    'conv_forward',
    'scan_backward',
    'scan_forward',
    'try_launch',
]
