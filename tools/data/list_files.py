"""List files: one video and its label a line, as mmaction2 reads them."""

import argparse
import sys
from pathlib import Path
from typing import Dict, Iterable, List, Tuple

VIDEO_SUFFIXES = {'.avi', '.flv', '.mkv', '.mov', '.mp4', '.mpg', '.webm'}

Entry = Tuple[str, int]


def parse_root(description: str, root: str) -> argparse.Namespace:
    """The command line that the data sets share."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'root',
        nargs='?',
        default=root,
        type=Path,
        help='folder of the data set (default: %(default)s)',
    )
    parser.add_argument(
        '--delimiter',
        default=' ',
        help='what stands between video and label; where file names hold '
        'spaces take another one, and give it to the dataset of the config '
        "too: delimiter=';'",
    )
    return parser.parse_args()


def find_videos(folder: Path) -> List[Path]:
    """The videos in a folder and below, as sorted paths within the folder.

    Raises:
        ValueError: There is no such folder, or no video in it.
    """
    if not folder.is_dir():
        raise ValueError(f'no folder {folder}; put the videos there, or link')
    videos = [
        path.relative_to(folder)
        for path in sorted(folder.rglob('*'))
        if path.suffix.lower() in VIDEO_SUFFIXES
    ]
    if not videos:
        raise ValueError(
            f'no videos in {folder}; looked for '
            f'{" ".join(sorted(VIDEO_SUFFIXES))}, in its subfolders too'
        )
    return videos


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


def match_videos(
    wanted: Iterable[Entry], videos: Dict[str, str]
) -> Tuple[List[Entry], List[str]]:
    """Look up annotated videos.

    Args:
        wanted (Iterable[tuple[str, int]]): Names as `videos` has them, and
            labels.
        videos (dict[str, str]): See `index_videos`.

    Returns:
        tuple: (path, label) of those that are there, and the names of those
        that are not.
    """
    entries, missing = [], []
    for name, label in wanted:
        if name in videos:
            entries.append((videos[name], label))
        else:
            missing.append(name)
    return entries, missing


def write_list(
    path: Path,
    entries: Iterable[Entry],
    missing: Iterable[str] = (),
    delimiter: str = ' ',
) -> None:
    """Write a list file and say what is in it.

    Raises:
        ValueError: There is nothing to write, or a name holds the delimiter.
    """
    entries, missing = list(entries), list(missing)
    if not entries:
        raise ValueError(
            f'none of the {len(missing)} annotated videos was found, for '
            f'example {missing[0]}; are these the right videos?'
            if missing
            else f'no videos for {path.name}'
        )
    for name, _ in entries:
        if delimiter in name:
            raise ValueError(
                f'the file name {name!r} holds the delimiter {delimiter!r}; '
                "give another one, such as --delimiter ';', and set "
                'delimiter of the datasets in the config to the same'
            )
    lines = [f'{name}{delimiter}{label}\n' for name, label in entries]
    path.write_text(''.join(lines))
    labels = {label for _, label in entries}
    note = f', {len(missing)} not found' if missing else ''
    print(f'{path}: {len(entries)} videos, {len(labels)} classes{note}')


def read_list(path: Path, delimiter: str = ' ') -> List[Entry]:
    """Read a list file.

    Raises:
        ValueError: A line that is not VIDEO, delimiter, LABEL.
    """
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        name, found, label = line.strip().rpartition(delimiter)
        if not found or not label.isdigit():
            raise ValueError(
                f"{path}, line {number}: expected 'VIDEO{delimiter}LABEL', "
                f'got {line!r}'
            )
        entries.append((name, int(label)))
    return entries


def fail(error: Exception) -> None:
    """End the program with one line."""
    sys.exit(f'error: {error}')
