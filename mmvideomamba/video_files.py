"""Which files are videos: by name, and in folders."""

import os
from pathlib import Path
from typing import List, Optional, Sequence, Set

# Names of files that are looked for where a folder is searched for videos.
# fmt: off
VIDEO_SUFFIXES = {
    '.3g2', '.3gp', '.asf', '.avi', '.divx', '.dv', '.f4v', '.flv', '.m2ts',
    '.m2v', '.m4v', '.mkv', '.mov', '.mp4', '.mpe', '.mpeg', '.mpg', '.mts',
    '.mxf', '.ogm', '.ogv', '.qt', '.rm', '.rmvb', '.ts', '.vob', '.webm',
    '.wmv',
}
# fmt: on


def find_videos(folder: Path) -> List[Path]:
    """The videos in a folder and below, sorted.

    What has the suffix of a video is one, except for folders and what is
    hidden: halves that a killed process left, or another system's notes.
    """
    return [
        path
        for path in sorted(folder.rglob('*'))
        if path.suffix.lower() in VIDEO_SUFFIXES
        and not any(
            part.startswith('.') for part in path.relative_to(folder).parts
        )
        and not path.is_dir()
    ]


def name_outputs(paths: Sequence[str]) -> List[str]:
    """Names without suffix for what is written of each video, none twice.

    They are the paths below the folder that all have in common. Where two
    are the same, such as of a.avi and a.mp4, the number of the video follows.
    """
    # An address has its folders after ://.
    full = [os.path.abspath(path.split('://')[-1]) for path in paths]
    root = os.path.commonpath(map(os.path.dirname, full))
    names: List[str] = []
    taken: Set[str] = set()
    for number, path in enumerate(full):
        name, suffix = os.path.splitext(os.path.relpath(path, root))
        if suffix.lower() not in VIDEO_SUFFIXES:
            name += suffix
        # Some disks take 'A' and 'a' for one name.
        if name.lower() in taken:
            name = f'{name}_{number:06d}'
        while name.lower() in taken:
            name += '_'
        taken.add(name.lower())
        names.append(name)
    return names


def video_file(path: str) -> str:
    """The absolute path of a video, which may be named without its .mp4.

    mmaction2 takes names without a suffix for those of .mp4 files; here the
    file of the name itself goes first. No FIFO, on which a reader would wait
    for ever, is a file.

    Raises:
        ValueError: There is no such file, or it is empty.
    """
    found = find_video_file(path)
    if found is None:
        if os.path.isdir(path):
            raise ValueError('expected a video file, this is a folder')
        if os.path.lexists(path):
            raise ValueError('expected a video file, this is no regular file')
        raise ValueError('there is no such file')
    if not os.path.getsize(found):
        raise ValueError('the file is empty')
    # An absolute path names no protocol of FFmpeg.
    return os.path.abspath(found)


def find_video_file(path: str) -> Optional[str]:
    """The file that `video_file` means, None where there is none."""
    if os.path.isfile(path):
        return path
    has_suffix = os.path.splitext(path)[1]
    named = f'{path}.mp4'
    if has_suffix or os.path.lexists(path) or not os.path.isfile(named):
        return None
    return named
