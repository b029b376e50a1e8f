"""Sequence operators: tensors in, tensors out; knows torch only."""

from .interface import BACKENDS, causal_conv1d, choose_engine, selective_scan
from .norm import rms_norm

__all__ = [
    'BACKENDS',
    'causal_conv1d',
    'choose_engine',
    'rms_norm',
    'selective_scan',
]
