"""The backbone, its parts and its head."""

from mmengine.registry import MODELS

from .draws import sample_draws
from .mixer import SpatioTemporalSSM
from .norm import RMSNorm
from .recognizer_checks import check_recognizers
from .recognizer_head import find_head, predicts_probabilities
from .scan_orders import ScanOrder, build_scan_order, sequence_orders
from .tokenizer import VideoTokenizer
from .videomamba import VideoMamba, VideoMambaBlock
from .videomamba_head import VideoMambaHead

# mmcv looks norms up in mmengine's registry; newer hosts may bring their own.
if MODELS.get('RMSNorm') is None:
    MODELS.register_module('RMSNorm', module=RMSNorm)
check_recognizers()

__all__ = [
    'RMSNorm',
    'ScanOrder',
    'SpatioTemporalSSM',
    'VideoMamba',
    'VideoMambaBlock',
    'VideoMambaHead',
    'VideoTokenizer',
    'build_scan_order',
    'find_head',
    'predicts_probabilities',
    'sample_draws',
    'sequence_orders',
]
