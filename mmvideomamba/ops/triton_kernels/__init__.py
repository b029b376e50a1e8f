"""GPU kernels in Triton, and the functions that launch them.

Importing this takes Triton; the engine is `ops/triton_scan.py`.
"""

from .conv import conv_backward, conv_forward
from .launch import try_launch
from .scan import scan_backward, scan_forward

__all__ = [
    'conv_backward',
    'conv_forward',
    'scan_backward',
    'scan_forward',
    'try_launch',
]
