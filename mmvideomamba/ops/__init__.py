"""Sequence operators: tensors in, tensors out; knows torch only."""

from . import flops  # noqa: F401  it registers the formulas
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
