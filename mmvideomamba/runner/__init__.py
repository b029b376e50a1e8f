"""Runner parts: mixed precision, checks before training, visualization."""

from .check_labels_hook import CheckLabelsHook
from .log import show_in_current_log
from .optim_wrapper import BF16OptimWrapper
from .prediction_video_hook import PredictionVideoHook
from .report_skipped_hook import ReportSkippedHook

__all__ = [
    'BF16OptimWrapper',
    'CheckLabelsHook',
    'PredictionVideoHook',
    'ReportSkippedHook',
    'show_in_current_log',
]
