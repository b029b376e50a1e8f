"""Labels that do not fit the head and missing videos, found in time."""

from numbers import Integral
from typing import Iterator

from mmaction.datasets import VideoDataset
from mmaction.models.heads import BaseHead
from mmaction.models.losses import CrossEntropyLoss
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..datasets import CheckedVideoDataset
from ..datasets.annotations import Annotation, check_labels, check_videos
from ..datasets.pipelines import has_several_labels, reads_from_disk
from ..models import find_head
from ..registry import HOOKS
from .loops import built_loops, listed_datasets


@HOOKS.register_module()
class CheckLabelsHook(Hook):
    """Compare the labels of every data set with the head.

    Looks into wrappers of data sets, such as RepeatDataset. Where the data
    set is mmaction2's own, whose list nobody has checked, it also looks for
    the videos.

    Raises:
        FileNotFoundError: A video does not exist.
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
            for dataset in listed_datasets(loop):
                _check_labels(head, dataset)
                _check_videos(dataset)


def _check_loss(head: BaseHead) -> None:
    if head.multi_class and isinstance(head.loss_cls, CrossEntropyLoss):
        raise ValueError(
            'the head has multi_class=True and CrossEntropyLoss, a softmax in '
            'which classes exclude each other. Set '
            "model.cls_head.loss_cls=dict(type='BCELossWithLogits')"
        )


def _check_labels(head: BaseHead, dataset: BaseDataset) -> None:
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


def _check_videos(dataset: BaseDataset) -> None:
    is_checked = isinstance(dataset, CheckedVideoDataset)
    if isinstance(dataset, VideoDataset) and not is_checked:
        videos = [video for video, _ in _annotations(dataset)]
        on_disk = reads_from_disk(dataset.pipeline.transforms)
        check_videos(videos, dataset.ann_file, on_disk)


def _annotations(dataset: BaseDataset) -> Iterator[Annotation]:
    for index in range(len(dataset)):
        data = dataset.get_data_info(index)
        video = data.get('filename', data.get('frame_dir', f'sample {index}'))
        label = data.get('label')
        # A localizer's data set has none, a detector's other ones.
        labels = (int(label),) if isinstance(label, Integral) else ()
        yield Annotation(video, labels)
