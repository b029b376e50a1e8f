"""Scores of heads, and what is measured of them."""

import inspect
import types
from functools import wraps
from typing import Any, Callable

import torch
from torch import Tensor, nn

from ..files import atomic_write


def average_several_labels_by_sigmoid() -> None:
    """Let every head give independent probabilities under `multi_class`.

    `average_clips='prob'` takes the softmax there too, so that the classes of
    a video compete and their ranking among videos, which mAP measures, is
    wrong: https://github.com/open-mmlab/mmaction2/issues/1813
    """
    from mmaction.models.heads import BaseHead

    average_clip = BaseHead.average_clip
    head = types.SimpleNamespace(multi_class=True, average_clips='prob')
    if average_clip(head, torch.zeros(1, 3))[0, 0] == 0.5:
        return

    def average_clip_by_sigmoid(
        self: BaseHead, cls_scores: torch.Tensor, num_segs: int = 1
    ) -> torch.Tensor:
        if not (self.multi_class and self.average_clips == 'prob'):
            return average_clip(self, cls_scores, num_segs)
        views = cls_scores.sigmoid().unflatten(0, (-1, num_segs))
        return views.mean(dim=1)

    BaseHead.average_clip = average_clip_by_sigmoid


def leave_unlabelled_out_of_average_precision() -> None:
    """Let mAP leave out what has no average precision.

    Both kinds of mAP divide by the number of positives: a class that no video
    has makes numpy warn in each validation, and a video without a label makes
    the `mmit` kind, a mean over videos, NaN:
    https://github.com/open-mmlab/mmaction2/blob/v1.2.0/mmaction/evaluation/functional/accuracy.py
    """
    import numpy as np
    from mmaction.evaluation.metrics import acc_metric

    def among_labelled(average_precision: Callable, axis: int) -> Callable:
        def mean(scores: Any, labels: Any) -> float:
            has_labels = (np.stack(labels) == 1).any(axis)
            if not has_labels.any():
                return np.nan
            return average_precision(
                np.compress(has_labels, scores, 1 - axis),
                np.compress(has_labels, labels, 1 - axis),
            )

        vars(mean)['among_labelled'] = True
        return mean

    # A mean over classes, with the samples along axis 0, and one over samples.
    for name, axis in (
        ('mean_average_precision', 0),
        ('mmit_mean_average_precision', 1),
    ):
        function = getattr(acc_metric, name)
        if not hasattr(function, 'among_labelled'):
            setattr(acc_metric, name, among_labelled(function, axis))


def name_unknown_metrics() -> None:
    """Let `AccMetric` say which metrics there are.

    Another name is an AssertionError without a word:
    https://github.com/open-mmlab/mmaction2/blob/v1.2.0/mmaction/evaluation/metrics/acc_metric.py
    """
    from mmaction.evaluation import AccMetric

    init = AccMetric.__init__
    if hasattr(init, '__wrapped__'):
        return

    @wraps(init)
    def init_or_name(self: AccMetric, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except AssertionError as error:
            if error.args:
                raise
            names = inspect.signature(init).bind(self, *args, **kwargs)
            raise ValueError(
                'expected metric_list of AccMetric of top_k_accuracy, '
                'mean_class_accuracy, mean_average_precision and '
                'mmit_mean_average_precision, got '
                f'{names.arguments.get("metric_list")}'
            ) from None

    AccMetric.__init__ = init_or_name


def refuse_scores_that_are_not_finite() -> None:
    """Let an evaluation end where the model's scores are NaN or infinite.

    mmengine measures them all the same; a model of NaN scores the share of
    class 0:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/evaluator/evaluator.py
    """
    from mmengine.evaluator import Evaluator

    process = Evaluator.process
    if hasattr(process, '__wrapped__'):
        return

    @wraps(process)
    def process_finite(
        self: Evaluator, data_samples: Any, data_batch: Any = None
    ) -> None:
        for number, sample in enumerate(data_samples):
            scores = getattr(sample, 'pred_score', None)
            if isinstance(scores, Tensor) and not scores.isfinite().all():
                raise ValueError(
                    f'expected finite scores, got {_first_few(scores)} for '
                    f'sample {number} of a batch: the weights or the clip are '
                    'too large for the arithmetic. Evaluate another '
                    'checkpoint, or without mixed precision'
                )
        process(self, data_samples, data_batch)

    Evaluator.process = process_finite


def _first_few(scores: Tensor) -> str:
    return ', '.join(f'{score:.3g}' for score in scores.flatten()[:3].tolist())


def score_in_float32() -> None:
    """Let mmaction2's heads train and validate under bfloat16 autocast.

    They and `AccMetric` hand their scores to numpy, which has no bfloat16:
    https://github.com/open-mmlab/mmaction2/blob/v1.2.0/mmaction/models/heads/base.py
    """
    from mmaction.models.heads import BaseHead, OmniHead, RGBPoseHead

    for head in (BaseHead, OmniHead, RGBPoseHead):
        for name in ('loss_by_feat', 'predict_by_feat'):
            method = vars(head).get(name)
            if method is not None and not hasattr(method, '__wrapped__'):
                setattr(head, name, _with_float32_scores(method))


def dump_results_whole() -> None:
    """Let `DumpResults` write a file that is complete, or not there.

    It writes under the final name, where a full disk leaves a part:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/evaluator/metric.py
    """
    from mmengine.evaluator import DumpResults
    from mmengine.fileio import dump
    from mmengine.logging import print_log

    def compute_metrics(self: DumpResults, results: list) -> dict:
        with atomic_write(self.out_file_path) as partial:
            dump(results, partial)
        print_log(f'predictions: {self.out_file_path}', 'current')
        return {}

    DumpResults.compute_metrics = compute_metrics


def _with_float32_scores(method: Callable) -> Callable:
    @wraps(method)
    def call(self: nn.Module, cls_scores: Any, data_samples: list) -> Any:
        if isinstance(cls_scores, dict):  # RGBPoseHead's
            cls_scores = {k: _as_float32(v) for k, v in cls_scores.items()}
        else:
            cls_scores = _as_float32(cls_scores)
        return method(self, cls_scores, data_samples)

    return call


def _as_float32(scores: Tensor) -> Tensor:
    return scores.float() if scores.dtype == torch.bfloat16 else scores
