"""Sequence operators: tensors in, tensors out; knows torch only."""

from . import clip_check, flops  # noqa: F401  they register
from .api import (
    SCAN_BACKENDS,
    causal_conv1d,
    choose_backend,
    mamba_inner,
    rms_norm,
    scan_inputs,
    selective_scan,
)
from .residual import add_branch

__all__ = [
    'SCAN_BACKENDS',
    'add_branch',
    'causal_conv1d',
    'choose_backend',
    'mamba_inner',
    'rms_norm',
    'scan_inputs',
    'selective_scan',
]
