"""Sequence operators: tensors in, tensors out; knows torch only."""

from . import flops  # noqa: F401, which PyTorch's counter consults
from .api import (
    BACKENDS,
    causal_conv1d,
    choose_engine,
    mamba_inner,
    selective_scan,
)
from .inner import scan_inputs
from .norm import rms_norm

__all__ = [
    'BACKENDS',
    'causal_conv1d',
    'choose_engine',
    'mamba_inner',
    'rms_norm',
    'scan_inputs',
    'selective_scan',
]
