"""Reading videos, and writing files that every player opens."""

from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Iterable, Iterator, Tuple, Union

import av
import numpy as np

from .files import atomic_write


@contextmanager
def naming_errors(path: str) -> Iterator[None]:
    """Raise what a reader of videos raises as an error that names the file.

    Raises:
        ValueError: The video cannot be read: its path and the reason.
    """
    try:
        yield
    except Exception as error:
        # By name, as decord need not be installed.
        known = type(error).__name__ == 'DECORDError'
        if not known and not isinstance(
            error, (OSError, RuntimeError, ValueError, av.FFmpegError)
        ):
            raise
        # decord's stack follows the first line.
        reason = (str(error) or repr(error)).splitlines()[0]
        raise ValueError(f'{path}: {reason}') from error


def read_video(path: str) -> Tuple[Iterator[np.ndarray], float]:
    """Read a video, frame by frame, however long it is.

    decord decodes far ahead of who asks for the frames, into memory without
    a bound; PyAV decodes what is asked for.

    Returns:
        tuple: Its frames, (H, W, 3) uint8 RGB and upright, and how many a
        second has.

    Raises:
        ValueError: The video cannot be read; also in the midst of it.
    """
    with naming_errors(path):
        container = av.open(path)
        if not container.streams.video:
            container.close()
            raise ValueError('there is no video in it')
        stream = container.streams.video[0]
        stream.thread_type = 'AUTO'
        fps = float(stream.average_rate or stream.guessed_rate or 25)

    def read_frames() -> Iterator[np.ndarray]:
        with naming_errors(path), container:
            for frame in container.decode(stream):
                turns = round(frame.rotation / 90)
                yield np.rot90(frame.to_ndarray(format='rgb24'), turns)

    return read_frames(), fps


def write_video(
    path: Union[str, Path], frames: Iterable[np.ndarray], fps: float = 25
) -> None:
    """Write frames as H.264 in an .mp4 file.

    The file appears under its name only when it is complete.

    Args:
        path (str | Path): The file to write; its folder is made if need be.
        frames (Iterable[np.ndarray]): (H, W, 3) uint8 RGB, all of one size;
            an odd last row or column is left out, as H.264 needs even sizes.
        fps (float): Frames per second.

    Raises:
        ValueError: There are no frames.
    """
    stream = None
    with (
        atomic_write(path) as partial,
        av.open(partial, 'w', format='mp4') as container,
    ):
        for frame in frames:
            height, width = (side // 2 * 2 for side in frame.shape[:2])
            if stream is None:
                rate = Fraction(round(fps * 1000), 1000)
                stream = container.add_stream('libx264', rate=rate)
                stream.width, stream.height = width, height
                stream.pix_fmt = 'yuv420p'
                stream.options = {'crf': '18', 'preset': 'veryfast'}
            image = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame[:height, :width]), 'rgb24'
            )
            container.mux(stream.encode(image))
        if stream is None:
            raise ValueError(f'no frames to write to {path}')
        container.mux(stream.encode())
