"""Labels without a class and missing videos, found before the first step."""

from numbers import Integral
from typing import Iterator

from mmaction.datasets import VideoDataset
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ..datasets import CheckedVideoDataset
from ..datasets.annotations import Annotation, check_labels, check_videos
from ..datasets.pipelines import leaf_datasets
from ..registry import HOOKS


@HOOKS.register_module()
class CheckLabelsHook(Hook):
    """Compare the labels of every data set with the head's `num_classes`.

    Looks into wrappers of data sets, such as RepeatDataset. Where the data
    set is mmaction2's own, whose list nobody has checked, it also looks for
    the videos.

    Raises:
        FileNotFoundError: A video does not exist.
        ValueError: A label the head cannot predict.
    """

    def before_run(self, runner: Runner) -> None:
        """Check the data sets of the loops that are going to run."""
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        # A detector's head is another.
        head = getattr(model, 'cls_head', None)
        num_classes = getattr(head, 'num_classes', None)
        if num_classes is None:
            return
        for loop in (
            runner._train_loop,
            runner._val_loop,
            runner._test_loop,
        ):
            # Loops that do not run stay None or configs.
            loader = getattr(loop, 'dataloader', None)
            if loader is None or isinstance(loader, dict):
                continue
            for dataset in leaf_datasets(loader.dataset):
                # Others have no list to check.
                if isinstance(dataset, BaseDataset):
                    _check(dataset, num_classes)


def _check(dataset: BaseDataset, num_classes: int) -> None:
    # Several labels are one vector of the data set's own length.
    if not getattr(dataset, 'multi_class', False):
        check_labels(
            _annotations(dataset),
            num_classes,
            dataset.ann_file,
            setting='model.cls_head.num_classes',
        )
    is_checked = isinstance(dataset, CheckedVideoDataset)
    if isinstance(dataset, VideoDataset) and not is_checked:
        videos = [video for video, _ in _annotations(dataset)]
        check_videos(videos, dataset.ann_file)


def _annotations(dataset: BaseDataset) -> Iterator[Annotation]:
    for index in range(len(dataset)):
        data = dataset.get_data_info(index)
        video = data.get('filename', data.get('frame_dir', f'sample {index}'))
        label = data.get('label')
        # A localizer's data set has none, a detector's other ones.
        labels = (int(label),) if isinstance(label, Integral) else ()
        yield Annotation(video, labels)
