"""What the scripts share that make list files."""

import argparse
from pathlib import Path
from typing import Dict, Iterable, List, Tuple

from mmvideomamba import video_files
from mmvideomamba.cli import make_parser
from mmvideomamba.datasets.annotations import Annotation, write_annotations

Entry = Tuple[str, int]


def parse_root(description: str, root: str) -> argparse.Namespace:
    """The command line that the data sets share."""
    parser = make_parser(description)
    parser.add_argument(
        'root',
        nargs='?',
        default=root,
        type=Path,
        help='folder of the data set (default: %(default)s)',
    )
    add_delimiter(parser)
    return parser.parse_args()


def add_delimiter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--delimiter',
        default=' ',
        help='what stands between video and label (default: a space). Where file '
        'names hold spaces, take another one and give it to the datasets of '
        "the config too: delimiter=';'",
    )


def find_videos(folder: Path) -> List[Path]:
    """The paths of `video_files.find_videos` within the folder.

    Raises:
        ValueError: There is no such folder, or no video in it.
    """
    if not folder.is_dir():
        raise ValueError(
            f'no folder {folder}: put the videos there, or a link'
        )
    videos = video_files.find_videos(folder)
    if not videos:
        raise ValueError(
            f'no videos in {folder}; looked for '
            f'{" ".join(sorted(video_files.VIDEO_SUFFIXES))}, in its '
            'subfolders too'
        )
    return [path.relative_to(folder) for path in videos]


def index_videos(folder: Path, by_path: bool = False) -> Dict[str, str]:
    """Look up the videos in a folder and below by name.

    Args:
        folder (Path): Where to look.
        by_path (bool): Whether names repeat from subfolder to subfolder.

    Returns:
        dict[str, str]: File name without suffix, with its subfolders if
        `by_path` -> path within the folder. So videos re-encoded to another
        format are found as well.

    Raises:
        ValueError: See `find_videos`.
    """
    return {
        path.with_suffix('').as_posix() if by_path else path.stem: (
            path.as_posix()
        )
        for path in find_videos(folder)
    }


def find_file(folder: Path, pattern: str) -> Path:
    """The one file of a pattern in a folder or below.

    Raises:
        ValueError: There is none, or more than one.
    """
    found = sorted(folder.rglob(pattern)) if folder.is_dir() else []
    if len(found) == 1:
        return found[0]
    what = ', '.join(map(str, found)) or 'none'
    raise ValueError(f'expected one file {pattern} in {folder}, found {what}')


def list_videos(
    path: Path,
    wanted: Iterable[Entry],
    videos: Dict[str, str],
    delimiter: str,
) -> None:
    """Look up annotated videos, and write a list file of those that are there.

    Args:
        path (Path): The list file.
        wanted (Iterable[tuple[str, int]]): Names as `videos` has them, and
            labels.
        videos (dict[str, str]): See `index_videos`.
        delimiter (str): What stands between video and label.

    Raises:
        ValueError: None of them is there, or a name holds the delimiter.
    """
    wanted = list(wanted)
    found = [
        Annotation(videos[name], (label,))
        for name, label in wanted
        if name in videos
    ]
    missing = len(wanted) - len(found)
    if missing and not found:
        raise ValueError(
            f'none of the {missing} annotated videos was found, for example '
            f'{wanted[0][0]}; are these the right videos?'
        )
    note = f', {missing} not found' if missing else ''
    write_list(path, found, delimiter, note)


def write_list(
    path: Path, annotations: List[Annotation], delimiter: str, note: str = ''
) -> None:
    """Write a list file and say what is in it.

    Raises:
        ValueError: There is nothing to write, or a name holds the delimiter.
    """
    if not annotations:
        raise ValueError(f'no videos for {path.name}')
    write_annotations(path, annotations, delimiter)
    labels = {label for _, labels in annotations for label in labels}
    print(f'{path}: {len(annotations)} videos, {len(labels)} classes{note}')
