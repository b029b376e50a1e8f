"""mmaction2's data sets of videos that say at once what is wrong with a list.

`CheckedVideoDataset` is a `VideoDataset`, `CheckedRepeatAugDataset` a
`RepeatAugDataset`.
"""

import itertools
import logging
import os.path as osp
from typing import Any, List, Optional

import torch
from mmaction.datasets import RepeatAugDataset, VideoDataset
from mmengine.dataset import Compose
from mmengine.logging import print_log

from ..checks import require_choice
from ..registry import DATASETS
from ..text import printable
from ..video import describe_error
from .annotations import check_labels, check_videos, read_annotations
from .pipelines import find_decoding, reads_from_disk, step_type


@DATASETS.register_module()
class CheckedVideoDataset(VideoDataset):
    """A `VideoDataset` whose list file is checked before training starts.

    Takes the arguments of mmaction2's `VideoDataset`. Labels may be names
    where `metainfo` has the `classes`. Videos are looked for when
    `data_prefix` is a local folder or the pipeline reads the local disk, about
    a second for 200,000 of them.
    With `multi_class`, a line may have several labels or none, and a sample's
    label is a (num_classes,) float tensor of ones and zeros.

    A video that cannot be read when its turn comes stops the run, or is
    skipped: the next of the list that can be read takes its place.
    `ReportSkippedHook` says in each epoch which were.

    Args:
        on_error (str): 'raise' or 'skip' what cannot be read. Tests take
            'raise' alone, as a skipped video would have another's score.
        max_skipped (float): Share of the videos; more of them in an epoch
            are an error.

    Attributes:
        skipped (Tensor): (N,) bool, in memory that the processes share which
            read: the samples that were skipped.

    Raises:
        FileNotFoundError: The list, or a video it names, does not exist.
        ValueError: The list is empty, a line does not parse or lacks its
            label (which `test_mode` and `multi_class` can do without), or a
            label lies outside `num_classes`, where that is given; when read:
            a video is unreadable, or more than `max_skipped` are.
    """

    def __init__(
        self,
        *args: Any,
        on_error: str = 'raise',
        max_skipped: float = 0.01,
        **kwargs: Any,
    ) -> None:
        require_choice('on_error', on_error, ('raise', 'skip'))
        if not 0 <= max_skipped <= 1:
            raise ValueError(
                f'max_skipped is a share, from 0 to 1, got {max_skipped}'
            )
        self.on_error = on_error
        self.max_skipped = max_skipped
        super().__init__(*args, **kwargs)
        if on_error == 'skip' and self.test_mode:
            raise ValueError(
                "on_error='skip' is for training; a test has to score every "
                'video of its list'
            )

    def full_init(self) -> None:
        """Read the list file; workers and this process share `skipped`."""
        if self._fully_initialized:
            return
        super().full_init()
        self.skipped = torch.zeros(len(self), dtype=torch.bool)
        if self.on_error == 'skip':
            self.skipped.share_memory_()

    def load_data_list(self) -> List[dict]:
        """Read the list file; see the class for what is checked."""
        if not self.ann_file:
            raise ValueError(
                'expected a list of videos, got none: name it, and the folder '
                'of the videos, such as with --cfg-options '
                'test_dataloader.dataset.ann_file=LIST '
                'test_dataloader.dataset.data_prefix.video=FOLDER'
            )
        annotations = read_annotations(
            self.ann_file,
            self.delimiter,
            multi_class=self.multi_class,
            needs_labels=not self.test_mode,
            classes=self.metainfo.get('classes'),
        )
        if self.multi_class and self.num_classes is None:
            raise ValueError('multi_class=True needs num_classes')
        if self.num_classes is not None:
            check_labels(annotations, self.num_classes, self.ann_file)
        folder = self.data_prefix['video'] or ''
        data_list = []
        for line, (video, labels) in enumerate(annotations, 1):
            label = labels[0] if labels else -1
            data_list.append(
                dict(
                    filename=osp.join(folder, video),
                    label=list(labels) if self.multi_class else label,
                    line=line,
                )
            )
        check_videos(
            [str(data['filename']) for data in data_list],
            self.ann_file,
            reads_from_disk(self.pipeline.transforms),
        )
        return data_list

    def prepare_data(self, idx: int) -> Optional[dict]:
        """Run the pipeline; a video that cannot be read is named or skipped.

        Raises:
            ValueError: It cannot be read, or too many cannot.
        """
        steps = self.pipeline.transforms
        decoding = find_decoding(steps)
        end = len(steps) if decoding is None else decoding + 1
        read, augment = Compose(steps[:end]), Compose(steps[end:])
        others = ((idx + step) % len(self) for step in range(1, len(self)))
        for number in itertools.chain([idx], others):
            data = self.get_data_info(number)
            try:
                data = read(data)
            except (ImportError, MemoryError):
                raise  # nothing that the video could be blamed for
            except Exception as error:
                self._stop_or_skip(number, error)
            else:
                return data if data is None else augment(data)
        raise ValueError(f'no video of {self.ann_file} can be read')

    def _stop_or_skip(self, idx: int, error: Exception) -> None:
        where = self.name_sample(idx)
        reason = describe_error(self.get_data_info(idx)['filename'], error)
        if self.on_error == 'raise':
            raise ValueError(
                f'{where}: {reason}. Leave it out of the list '
                "(check_videos.py finds all such), or set on_error='skip'"
            ) from error
        print_log(f'skipped {where}: {reason}', 'current', logging.WARNING)
        self.skipped[idx] = True
        self.check_skipped(int(self.skipped.sum()), reason)

    def name_sample(self, idx: int) -> str:
        """List file, line and video of a sample, for messages."""
        data = self.get_data_info(idx)
        name = printable(data['filename'])
        return f'{self.ann_file}, line {data["line"]}: {name}'

    def check_skipped(self, count: int, reason: str = '') -> None:
        """Raise a ValueError if `count` videos are more than `max_skipped`."""
        if count > self.max_skipped * len(self):
            raise ValueError(
                f'{count} of the {len(self)} videos of {self.ann_file} cannot '
                f'be read, more than max_skipped={self.max_skipped} allows. '
                'check_videos.py writes a list without them'
                + (f'. The last: {reason}' if reason else '')
            )


@DATASETS.register_module()
class CheckedRepeatAugDataset(CheckedVideoDataset, RepeatAugDataset):
    """A `RepeatAugDataset` that checks its list as `CheckedVideoDataset` does.

    Takes the arguments of mmaction2's `RepeatAugDataset`, and on_error='raise'
    alone.
    """

    def __init__(
        self,
        ann_file: str,
        pipeline: List[dict],
        *args: Any,
        on_error: str = 'raise',
        **kwargs: Any,
    ) -> None:
        require_choice('on_error', on_error, ('raise',))
        # mmaction2's takes decord's steps alone, by name; ClipDecode needs
        # and gives what DecordDecode does.
        decord_steps = [
            dict(type='DecordDecode')
            if step_type(step) == 'ClipDecode'
            else step
            for step in pipeline
        ]
        super().__init__(ann_file, decord_steps, *args, **kwargs)
        self.pipeline = Compose(pipeline)

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline; returns a list of `num_repeats` samples."""
        return RepeatAugDataset.prepare_data(self, idx)
