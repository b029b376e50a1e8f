"""Whether public weights reach the accuracy that their authors publish."""

import os
import os.path as osp
from functools import partial
from typing import NamedTuple

from mmengine.config import Config

from ..datasets.annotations import (
    check_videos,
    read_annotations,
    write_annotations,
)
from ..datasets.pipelines import find_dataset
from ..model_zoo import ModelInfo
from ..parallel import find_good
from ..video import check_video
from ..video_files import find_video_file

TOLERANCE = 0.3
"""Points of top-1 within which a result counts as reproduced. Videos that are
no longer to be had, and how the others were encoded, account for some."""


class UsableVideos(NamedTuple):
    """The videos of a test set that can be read.

    Attributes:
        ann_file (str): Absolute path of their list.
        usable (int): How many they are.
        listed (int): How many the test set has.
    """

    ann_file: str
    usable: int
    listed: int


def list_usable(cfg: Config) -> UsableVideos:
    """Look at the videos of a test set, and print what is wrong with some.

    Args:
        cfg (Config): Its `work_dir` gets a list without them.

    Raises:
        OSError: There is no list, or not one of its videos.
        ValueError: The list does not parse, or no video can be read.
    """
    dataset = find_dataset(cfg, 'test_dataloader')
    root = dataset.get('data_root') or ''
    ann_file = osp.abspath(osp.join(root, dataset.ann_file))
    folder = osp.join(root, dataset.data_prefix.video)
    delimiter = dataset.get('delimiter', ' ')
    annotations = read_annotations(ann_file, delimiter)
    names = list(dict.fromkeys(annotation.video for annotation in annotations))
    paths = [osp.join(folder, name) for name in names]
    if not any(map(find_video_file, paths)):
        check_videos(paths, ann_file, on_disk=True)
    look = partial(check_video, folder, 1)
    usable = find_good(look, names, os.cpu_count() or 1)
    if not usable:
        raise ValueError(f'no video of {ann_file} can be read, see above')
    if len(usable) < len(names):
        ann_file = osp.abspath(osp.join(cfg.work_dir, 'usable_videos.txt'))
        write_annotations(
            ann_file, [a for a in annotations if a.video in usable], delimiter
        )
        print(
            f'{len(names) - len(usable)} of {len(names)} videos are left out; '
            f'the others are in {ann_file}'
        )
    return UsableVideos(ann_file, len(usable), len(names))


def describe_difference(
    published: ModelInfo, top1: float, videos: UsableVideos
) -> str:
    """What was measured beside what is published.

    Args:
        published (ModelInfo): Of the weights.
        top1 (float): Measured accuracy in %.
        videos (UsableVideos): On which.
    """
    return '\n'.join(
        [
            f'{published.name}, {published.dataset}',
            f'videos      {videos.usable} of {videos.listed}',
            f'measured    {top1:.2f} %',
            f'published   {published.top1:.2f} %  ({published.results_from})',
            f'difference  {top1 - published.top1:+.2f} points',
        ]
    )


def is_reproduced(published: ModelInfo, top1: float) -> bool:
    """Whether both are the same within the tolerance."""
    return round(abs(top1 - published.top1), 2) <= TOLERANCE
