"""Runner parts: mixed precision, checks before training, visualization."""

from .average_losses_hook import AverageLossesHook
from .build import build_runner
from .check_evaluation_hook import CheckEvaluationHook
from .check_labels_hook import CheckLabelsHook
from .check_targets_hook import CheckTargetsHook
from .checkpoint_writing import require_unused_work_dir
from .epoch_lines import EpochLinesHook
from .layer_decay import LayerDecayOptimWrapperConstructor
from .learning_rate import repair_learning_rates, require_base_batch_size
from .log import show_in_current_log
from .optim_wrapper import BF16OptimWrapper
from .prediction_video_hook import PredictionVideoHook
from .preemption_hook import PreemptionHook, TrainingInterrupted
from .repair_checkpoints import repair_checkpoints
from .report_skipped_hook import ReportSkippedHook
from .resumed_loops import repair_resumed_loops
from .sample_randomness_hook import SampleRandomnessHook

__all__ = [
    'AverageLossesHook',
    'BF16OptimWrapper',
    'CheckEvaluationHook',
    'CheckLabelsHook',
    'CheckTargetsHook',
    'EpochLinesHook',
    'LayerDecayOptimWrapperConstructor',
    'PredictionVideoHook',
    'PreemptionHook',
    'ReportSkippedHook',
    'SampleRandomnessHook',
    'TrainingInterrupted',
    'build_runner',
    'repair_checkpoints',
    'repair_learning_rates',
    'repair_resumed_loops',
    'require_base_batch_size',
    'require_unused_work_dir',
    'show_in_current_log',
]
