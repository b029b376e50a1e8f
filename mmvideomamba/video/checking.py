"""Whether a video can be trained on."""

import os
from pathlib import Path
from typing import Any, Tuple, Union

import numpy as np

from ..video_files import video_file
from .containers import is_mirrored
from .errors import describe_error
from .opening import open_video
from .readers import IndexedReader, open_without_index


class UnfitVideo(ValueError):
    """It can be read, but not trained on."""


def inspect_video(path: str, min_frames: int = 1) -> Tuple[int, int, int]:
    """Read the first, middle and last frame of a video, as training does.

    Args:
        path (str): A video file.
        min_frames (int): The fewest that it may have.

    Returns:
        tuple[int, int, int]: Frames, height and width.

    Raises:
        UnfitVideo: It is mirrored or too short.
        Exception: It cannot be read; decoders have errors of their own, see
            `describe_error`.
    """
    reader = open_video(path)
    count = len(reader)
    if count < min_frames:
        raise UnfitVideo(f'{count} frames, fewer than {min_frames}')
    frames = _read_three(reader)
    if isinstance(reader, IndexedReader):
        # Which reads damaged clips of it in training.
        _read_three(open_without_index(video_file(path), 1))
    if is_mirrored(path):
        raise UnfitVideo(
            'its display matrix mirrors it, which readers of videos ignore; '
            're-encode it with resize_videos.py'
        )
    return (count, *frames.shape[1:3])


def _read_three(reader: Any) -> np.ndarray:
    """The first, middle and last frame, (3, H, W, 3) uint8 RGB."""
    count = len(reader)
    return reader.get_batch([0, count // 2, count - 1]).asnumpy()


def check_video(
    folder: Union[str, Path], min_frames: int, name: str
) -> Union[Tuple[int, int, int], str]:
    """`inspect_video` for a video below a folder, or what is wrong with it."""
    # As the data set joins them: a Path would lose a slash at the end.
    path = os.path.join(folder, name)
    try:
        return inspect_video(path, min_frames)
    except UnfitVideo as error:
        return str(error)
    except Exception as error:
        # Whatever a decoder raises, the others are looked at.
        return f'unreadable: {describe_error(path, error)}'
