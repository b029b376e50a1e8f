"""Settings that only an evaluation meets, checked before the first step."""

from typing import Any, Iterator, List, Optional, Sequence, Tuple

from mmaction.datasets import BaseActionDataset
from mmaction.evaluation import AccMetric, ConfusionMatrix
from mmaction.models import Recognizer3D
from mmaction.models.heads import BaseHead
from mmengine.evaluator import BaseMetric, DumpResults
from mmengine.hooks import CheckpointHook, EarlyStoppingHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..checks import require_choice
from ..datasets.pipelines import has_several_labels
from ..models import find_head
from ..models.videomamba_head import AVERAGES
from ..registry import HOOKS
from .loops import built_loops, listed_datasets

ONE_LABEL = ('top_k_accuracy', 'mean_class_accuracy')
SEVERAL_LABELS = ('mean_average_precision', 'mmit_mean_average_precision')


@HOOKS.register_module()
class CheckEvaluationHook(Hook):
    """Refuse what would end the run at its first validation, or its test.

    Raises:
        ValueError: The head does not average the views of a video, batches
            are larger than `max_testing_views` allows, a metric does not fit
            the labels, videos have none, or a hook waits for a metric that no
            one measures.
    """

    def before_run(self, runner: Runner) -> None:
        """Check the loops that are going to run."""
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        head = find_head(model)
        # Some heads of mmaction2 have scores of another kind.
        if (
            head is None
            or type(head).predict_by_feat is not BaseHead.predict_by_feat
        ):
            return
        for name, loop in built_loops(runner):
            if name == 'train':
                continue
            metrics = [
                metric
                for metric in loop.evaluator.metrics
                if isinstance(metric, (AccMetric, ConfusionMatrix))
            ]
            _check_average_clips(head, metrics)
            if isinstance(model, Recognizer3D):
                views = (model.test_cfg or {}).get('max_testing_views')
                _check_batch_size(views, name, loop.dataloader)
            for dataset in listed_datasets(loop):
                _check_metrics(metrics, name, has_several_labels(dataset))
                if metrics and isinstance(dataset, BaseActionDataset):
                    _check_labelled(name, dataset)
            if name == 'val':
                _check_monitored(runner, loop.evaluator.metrics)


def _check_average_clips(
    head: BaseHead, metrics: Sequence[BaseMetric]
) -> None:
    setting = 'model.cls_head.average_clips'
    require_choice(setting, head.average_clips, AVERAGES)
    if head.average_clips is None and metrics:
        raise ValueError(
            f'{setting} is None, which leaves a score for every view, and '
            f'{type(metrics[0]).__name__} needs one for the video. Set '
            f"{setting}='prob'"
        )


def _check_batch_size(
    views: Optional[int], name: str, loader: DataLoader
) -> None:
    batch_size = getattr(loader.batch_sampler, 'batch_size', 1)
    sampler: Any = loader.sampler  # of this process
    if views is not None and (not isinstance(views, int) or views < 1):
        raise ValueError(
            'expected model.test_cfg.max_testing_views of at least 1, or '
            f'None, got {views!r}'
        )
    if views and min(batch_size, len(sampler)) > 1:
        raise ValueError(
            f'model.test_cfg.max_testing_views={views} takes batches of one '
            f'video, got {name}_dataloader.batch_size={batch_size}. Set that '
            'to 1, or model.test_cfg=None, which takes all views at once'
        )


def _check_metrics(
    metrics: Sequence[BaseMetric], name: str, several: bool
) -> None:
    unfit = ONE_LABEL if several else SEVERAL_LABELS
    for metric in metrics:
        if isinstance(metric, AccMetric):
            wrong = [m for m in metric.metrics if m in unfit]
        else:
            wrong = ['ConfusionMatrix'] if several else []
        if wrong:
            other = SEVERAL_LABELS[0] if several else ONE_LABEL[0]
            raise ValueError(
                f'{name}_evaluator measures {wrong[0]}, but the videos have '
                f'{"several labels" if several else "one label"}. Use '
                f"dict(type='AccMetric', metric_list='{other}')"
            )


def _check_labelled(name: str, dataset: BaseActionDataset) -> None:
    labelled = (bool(dataset.get_cat_ids(i)) for i in range(len(dataset)))
    # Of several labels a video may have none, but not all of them.
    if has_several_labels(dataset):
        unlabelled = 0 if any(labelled) else len(dataset)
    else:
        unlabelled = len(dataset) - sum(labelled)
    if unlabelled:
        raise ValueError(
            f'{unlabelled} of the {len(dataset)} videos of {dataset.ann_file} '
            f'have no label that {name}_evaluator could compare with. Leave '
            'them out of the list; to predict without measuring, use test.py '
            '--dump SCORES.pkl --cfg-options test_evaluator=[]'
        )


def _check_monitored(runner: Runner, metrics: Sequence[BaseMetric]) -> None:
    names = [_names(metric) for metric in metrics]
    known = [name for part in names for name in part or ()]
    if not known or names[0] is None:
        return
    numbers = [name for name in known if not name.endswith('/result')]
    for setting, name in _monitored(runner, known[0]):
        # A metric of the user's may have names of its own.
        missing = name not in known and None not in names
        if missing or (name in known and name not in numbers):
            raise ValueError(
                f'{setting} goes by {name}, but val_evaluator gives '
                f'{", ".join(numbers) or "no number"}. Change the one or the '
                "other; val_evaluator may begin with dict(type='AccMetric')"
            )


def _names(metric: BaseMetric) -> Optional[List[str]]:
    """What a metric calls its results; None where only it knows."""
    if isinstance(metric, DumpResults):
        return []
    if type(metric) is ConfusionMatrix:
        names = ['result']
    elif type(metric) is AccMetric:
        options = (metric.metric_options or {}).get('top_k_accuracy', {})
        topk = options.get('topk', (1, 5))
        several = topk if isinstance(topk, tuple) else (topk,)
        called = dict(
            top_k_accuracy=[f'top{k}' for k in several],
            mean_class_accuracy=['mean1'],
        )
        names = [n for m in metric.metrics for n in called.get(m, [m])]
    else:
        return None
    return [f'{metric.prefix}/{name}' for name in names]


def _monitored(runner: Runner, first: str) -> Iterator[Tuple[str, str]]:
    """Who waits for which result of a validation, whose first is `first`."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.save_best:
            for name in hook.key_indicators:
                setting = f'default_hooks.checkpoint.save_best={name!r}'
                yield setting, first if name == 'auto' else name
        elif isinstance(hook, EarlyStoppingHook) and hook.strict:
            yield 'EarlyStoppingHook', hook.monitor
    # A config where nothing is trained, a dict of lists for optimizers.
    schedulers = runner.param_schedulers
    for scheduler in schedulers if isinstance(schedulers, list) else ():
        if getattr(scheduler, 'need_val_args', False):
            yield type(scheduler).__name__, scheduler.monitor
