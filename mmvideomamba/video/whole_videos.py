"""Videos read frame by frame, however long, and written."""

from fractions import Fraction
from pathlib import Path
from typing import Iterable, Iterator, Tuple, Union

import av
import numpy as np

from ..files import atomic_write
from .containers import open_container, upright
from .errors import naming_errors
from .opening import open_video


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
    fps = open_video(path).get_avg_fps()

    def read_frames() -> Iterator[np.ndarray]:
        # decord would decode far ahead of what is asked for.
        with naming_errors(path), open_container(path) as container:
            yield from map(upright, container.decode(video=0))

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
        # FFmpeg would close a file of its own without a look at errors.
        open(partial, 'wb') as file,
        av.open(file, 'w', format='mp4') as container,
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
