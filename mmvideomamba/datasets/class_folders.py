"""One's own videos: a folder for each class, or a table, made into lists.

ROOT/CLASS/*.mp4    ROOT/{train,val}/CLASS/*.mp4    FILE,CLASS of a CSV
"""

import csv
import re
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

import numpy as np

from ..parallel import find_good
from ..video import check_video
from ..video_files import VIDEO_SUFFIXES, find_videos
from .annotations import Annotation, format_annotations, read_lines

SPLITS = ('train', 'val')


class OwnVideos(NamedTuple):
    """Videos with their classes.

    Attributes:
        classes (list[str]): Their names, in the order of the labels.
        splits (dict[str, list[Annotation]]): 'train' and 'val', or 'all'
            where nothing is divided yet. Videos are paths below `folder`.
        folder (str): Where the videos are.
    """

    classes: List[str]
    splits: Dict[str, List[Annotation]]
    folder: str


def find_own_videos(root: str) -> OwnVideos:
    """Find the videos of each class.

    Args:
        root (str): A folder, or a .csv file with a line `FILE,CLASS` for each
            video, whose paths count from the folder of the table.

    Raises:
        FileNotFoundError: There is no such folder or table.
        ValueError: There are fewer than two classes, names of classes differ
            by case alone, or training and validation have other classes.
    """
    path = Path(root)
    if path.is_dir():
        named = _in_folders(path)
        folder = path
    elif path.is_file() and path.suffix.lower() == '.csv':
        named = {'all': _in_table(path)}
        folder = path.parent
    else:
        raise FileNotFoundError(
            f'expected a folder of class folders or a .csv file, got {root}'
        )
    classes = sorted({name for split in named.values() for _, name in split})
    _check_classes(classes, root)
    for split, videos in named.items():
        missing = sorted(set(classes) - {name for _, name in videos})
        if missing:
            raise ValueError(
                f'{root}: {split} has no video of class {missing[0]!r}, '
                'another part has'
            )
    number = {name: label for label, name in enumerate(classes)}
    return OwnVideos(
        classes,
        {
            split: [
                Annotation(video, (number[name],)) for video, name in pairs
            ]
            for split, pairs in named.items()
        },
        str(folder),
    )


def _in_folders(root: Path) -> Dict[str, List[Tuple[str, str]]]:
    if all((root / split).is_dir() for split in SPLITS):
        parts = {split: root / split for split in SPLITS}
    else:
        parts = {'all': root}
    return {
        split: [
            (
                path.relative_to(root).as_posix(),
                path.relative_to(part).parts[0],
            )
            for path in find_videos(part)
            if path.parent != part
        ]
        for split, part in parts.items()
    }


def _in_table(path: Path) -> List[Tuple[str, str]]:
    rows = [row for row in csv.reader(read_lines(str(path))) if row]
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or not row[1].strip():
            raise ValueError(
                f"{path}, row {number}: expected 'FILE,CLASS', got {row}"
            )
    # The first row may have the names of the columns.
    if rows and Path(rows[0][0]).suffix.lower() not in VIDEO_SUFFIXES:
        del rows[0]
    for video, count in Counter(video for video, _ in rows).items():
        if count > 1:
            raise ValueError(f'{path}: {video} is in {count} rows, keep one')
    return [(video, name.strip()) for video, name in rows]


def _check_classes(classes: List[str], root: str) -> None:
    if len(classes) < 2:
        raise ValueError(
            f'{root}: expected videos of two classes or more, in folders '
            'ROOT/CLASS or ROOT/train/CLASS and ROOT/val/CLASS, got '
            + (f'one class, {classes[0]!r}' if classes else 'no video')
        )
    by_case = defaultdict(list)
    for name in classes:
        by_case[name.casefold()].append(name)
    for same in by_case.values():
        if len(same) > 1:
            raise ValueError(
                f'{root}: classes {same[0]!r} and {same[1]!r} differ by case '
                'alone. Are they one?'
            )


def leave_unfit_aside(
    videos: OwnVideos, min_frames: int, workers: int
) -> Tuple[OwnVideos, np.ndarray]:
    """Look at every video; print what is wrong with some.

    Args:
        videos (OwnVideos): Divided or not.
        min_frames (int): The fewest that a video may have.
        workers (int): Processes.

    Returns:
        tuple: The others, and their sizes, (N, 3): frames, height, width.

    Raises:
        ValueError: None can be used.
    """
    names = [name for split in videos.splits.values() for name, _ in split]
    look = partial(check_video, videos.folder, min_frames)
    sizes = find_good(look, names, workers)
    if not sizes:
        raise ValueError(
            f'none of the {len(names)} videos in {videos.folder} can be used, '
            'see above'
        )
    if len(sizes) < len(names):
        print(f'{len(names) - len(sizes)} of {len(names)} videos left aside')
    good = {
        split: [a for a in annotations if a.video in sizes]
        for split, annotations in videos.splits.items()
    }
    return videos._replace(splits=good), np.array(list(sizes.values()))


def split_off_validation(
    videos: OwnVideos,
    share: float,
    seed: int = 0,
    group: Optional[str] = None,
) -> OwnVideos:
    """Divide videos into training and validation, class by class.

    Args:
        videos (OwnVideos): With the one split 'all'; others are divided
            already and stay as they are.
        share (float): Of the videos of each class, for validation; at least
            one of them.
        seed (int): One seed, one division.
        group (str, optional): Regular expression; videos for which it matches
            the same text, such as r'person\\d+', stay together.

    Raises:
        ValueError: A class cannot be divided, `group` is no regular
            expression, or the share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(
            f'expected a share for validation between 0 and 1, got {share}'
        )
    if 'all' not in videos.splits:
        _check_divided(videos, None)
        return videos
    groups = _groups(videos.splits['all'], group)
    chosen = _choose_groups(groups, share, seed)
    parts: Dict[str, List[Annotation]] = {split: [] for split in SPLITS}
    for name, members in groups.items():
        parts[SPLITS[name in chosen]] += members
    divided = videos._replace(
        splits={split: sorted(parts[split]) for split in SPLITS}
    )
    _check_divided(divided, group)
    return divided


def _groups(
    annotations: List[Annotation], pattern: Optional[str]
) -> Dict[str, List[Annotation]]:
    """Videos that stay together, by what they have in common."""
    try:
        find = re.compile(pattern or r'.*', re.DOTALL).search
    except re.error as error:
        raise ValueError(
            f'{pattern!r} is no regular expression: {error}'
        ) from error
    groups = defaultdict(list)
    for annotation in annotations:
        match = find(annotation.video)
        if match is None:
            raise ValueError(
                f'the group {pattern!r} is not in the name {annotation.video}'
            )
        groups[match[0]].append(annotation)
    return groups


def _choose_groups(
    groups: Dict[str, List[Annotation]], share: float, seed: int
) -> Set[str]:
    """The groups whose videos come closest to that share of each class."""
    counts = {
        name: Counter(labels[0] for _, labels in members)
        for name, members in groups.items()
    }
    wanted = {
        label: max(1.0, share * count)
        for label, count in sum(counts.values(), Counter()).items()
    }
    names = sorted(groups)
    np.random.default_rng(seed).shuffle(names)
    chosen: Set[str] = set()

    def choose(name: str) -> None:
        chosen.add(name)
        wanted.update({k: wanted[k] - n for k, n in counts[name].items()})

    for name in names:
        gain = sum(
            abs(wanted[label]) - abs(wanted[label] - count)
            for label, count in counts[name].items()
        )
        if gain > 0:
            choose(name)
    # Where groups are large, a class may have none yet: its smallest then.
    for label in wanted:
        having = [name for name in names if label in counts[name]]
        if len(having) > 1 and not chosen.intersection(having):
            choose(min(having, key=lambda name: len(groups[name])))
    return chosen


def _check_divided(videos: OwnVideos, group: Optional[str]) -> None:
    for split, annotations in videos.splits.items():
        missing = set(range(len(videos.classes))) - {
            labels[0] for _, labels in annotations
        }
        if missing:
            what = f' in two groups of {group!r}' if group else ''
            raise ValueError(
                f'class {videos.classes[min(missing)]!r} has no video for '
                f'{split}: each class needs two{what}'
            )


def choose_delimiter(videos: OwnVideos) -> str:
    """What can stand between video and label: in no file name.

    Raises:
        ValueError: There is nothing.
    """
    names = [video for split in videos.splits.values() for video, _ in split]
    for delimiter in (' ', ';', '|', '\t'):
        if not any(delimiter in name for name in names):
            return delimiter
    raise ValueError(
        f'file names in {videos.folder} hold spaces, semicolons, bars and '
        'tabs: rename some'
    )


def format_lists(videos: OwnVideos) -> Dict[str, str]:
    """The files that describe divided videos: their names and texts.

    Raises:
        ValueError: The name of a file or class fits no list.
    """
    delimiter = choose_delimiter(videos)
    return {
        'classes.txt': ''.join(f'{name}\n' for name in videos.classes),
        **{
            f'{split}_list.txt': format_annotations(annotations, delimiter)
            for split, annotations in videos.splits.items()
        },
    }
