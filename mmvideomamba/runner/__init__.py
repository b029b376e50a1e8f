"""Runner parts: mixed precision, checks before training, visualization."""

from .check_evaluation_hook import CheckEvaluationHook
from .check_labels_hook import CheckLabelsHook
from .log import show_in_current_log
from .optim_wrapper import BF16OptimWrapper
from .prediction_video_hook import PredictionVideoHook

__all__ = [
    'BF16OptimWrapper',
    'CheckEvaluationHook',
    'CheckLabelsHook',
    'PredictionVideoHook',
    'show_in_current_log',
]
