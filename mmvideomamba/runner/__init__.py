"""Runner parts: mixed precision, checks before training, visualization."""

from .build import build_runner
from .check_evaluation_hook import CheckEvaluationHook
from .check_labels_hook import CheckLabelsHook
from .check_targets_hook import CheckTargetsHook
from .layer_decay import LayerDecayOptimWrapperConstructor
from .learning_rate import repair_learning_rates
from .log import show_in_current_log
from .optim_wrapper import BF16OptimWrapper
from .prediction_video_hook import PredictionVideoHook
from .preemption_hook import PreemptionHook, TrainingInterrupted
from .report_skipped_hook import ReportSkippedHook
from .resumed_loops import repair_resumed_loops

__all__ = [
    'BF16OptimWrapper',
    'CheckEvaluationHook',
    'CheckLabelsHook',
    'CheckTargetsHook',
    'LayerDecayOptimWrapperConstructor',
    'PredictionVideoHook',
    'PreemptionHook',
    'ReportSkippedHook',
    'TrainingInterrupted',
    'build_runner',
    'repair_learning_rates',
    'repair_resumed_loops',
    'show_in_current_log',
]
