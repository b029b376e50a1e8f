"""Labels that do not fit the head, found before the first iteration."""

from typing import Iterator

from mmaction.models.heads import BaseHead
from mmaction.models.losses import CrossEntropyLoss
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..datasets.annotations import Annotation, check_labels
from ..datasets.pipelines import (
    has_several_labels,
    leaf_datasets,
)
from ..models import find_head
from ..registry import HOOKS
from .loops import built_loops


@HOOKS.register_module()
class CheckLabelsHook(Hook):
    """Compare the labels of every data set with the head.

    Raises:
        ValueError: A label the head cannot predict, or only one of head and
            data set knows that videos have several.
    """

    def before_run(self, runner: Runner) -> None:
        """Check the data sets of the loops that are going to run."""
        head = find_head(runner.model)
        if head is None or head.num_classes is None:
            return
        for name, loop in built_loops(runner):
            if name == 'train':
                _check_loss(head)
            for dataset in leaf_datasets(loop.dataloader.dataset):
                if len(dataset):
                    _check_dataset(head, dataset)


def _check_loss(head: BaseHead) -> None:
    if head.multi_class and isinstance(head.loss_cls, CrossEntropyLoss):
        raise ValueError(
            'the head has multi_class=True and CrossEntropyLoss, a softmax in '
            'which classes exclude each other. Set '
            "model.cls_head.loss_cls=dict(type='BCELossWithLogits')"
        )


def _check_dataset(head: BaseHead, dataset: BaseDataset) -> None:
    several = has_several_labels(dataset)
    if several != head.multi_class:
        raise ValueError(
            f'videos of {dataset.ann_file} have '
            f'{"several labels" if several else "one label"}, but the head '
            f'has multi_class={head.multi_class}. Set multi_class of '
            'model.cls_head and of the data sets to the same'
        )
    if not several:
        check_labels(
            _annotations(dataset),
            head.num_classes,
            dataset.ann_file,
            setting='model.cls_head.num_classes',
        )
        return
    # Several labels are one vector of the data set's own length.
    length = len(dataset.get_data_info(0)['label'])
    if not length == head.num_classes > 1:
        raise ValueError(
            f'the labels of {dataset.ann_file} have num_classes={length}, '
            f'but model.cls_head.num_classes={head.num_classes}. Set both to '
            'the same, at least 2'
        )


def _annotations(dataset: BaseDataset) -> Iterator[Annotation]:
    for index in range(len(dataset)):
        data = dataset.get_data_info(index)
        video = data.get('filename', f'sample {index}')
        yield Annotation(video, (data['label'],))
