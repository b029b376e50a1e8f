"""Sequence operators: tensors in, tensors out; knows torch only."""

from .interface import BACKENDS, causal_conv1d, choose_engine, selective_scan

__all__ = ['BACKENDS', 'causal_conv1d', 'choose_engine', 'selective_scan']
