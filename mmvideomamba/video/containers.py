"""PyAV's containers of videos, and their frames as they are to be seen."""

import errno
from typing import Any, BinaryIO, List, Tuple, Union

import av
import numpy as np

from ..video_files import video_file

# FFmpeg's names of the formats that PyAV may read. Left out are images, text
# and playlists, which make FFmpeg open other files.
_FORMATS = (
    'asf,avi,dv,flv,gif,h264,hevc,ivf,m4v,matroska,mov,mpeg,mpegts,mpegvideo,'
    'mxf,nut,obu,ogg,rm,webm,yuv4mpegpipe'
)
# Else a pool of threads for every frame that is converted; before PyAV 17
# there were none.
_HAS_POOLS = int(av.__version__.split('.')[0]) > 16
_ONE_THREAD: Any = dict(threads=1) if _HAS_POOLS else {}


def open_container(source: Union[str, BinaryIO]) -> Any:
    """A PyAV container of a video, at its start.

    Args:
        source (str | BinaryIO): A path, see `open_video`, or a file.

    Raises:
        ValueError: There is no such file, it has no video stream or is no
            video, such as a playlist: nothing that it names is opened.
        OSError: It cannot be read.
    """
    if isinstance(source, str):
        source = video_file(source)
    else:
        source.seek(0)
    options = dict(format_whitelist=_FORMATS, protocol_whitelist='file')
    try:
        container = av.open(source, options=options)
    except av.FFmpegError as error:
        # PyAV's class for it has another name in each version.
        if error.errno != errno.EINVAL:
            raise
        raise ValueError(
            'expected a video, this is of another format (an image, a '
            'playlist or text)'
        ) from error
    if not container.streams.video:
        container.close()
        raise ValueError('the file has no video stream')
    if container.streams.video[0].codec_context is None:
        container.close()
        raise ValueError('the file has a codec that FFmpeg does not know')
    return container


def frame_times(container: Any) -> List[float]:
    """When the frames of an open PyAV container are shown, in seconds.

    MP4 files have an index of their frames. Others are decoded: they need not
    say how many frames they have, or say it wrongly.

    Raises:
        ValueError: There are none, or an MP4 file is shorter than its index
            says.
    """
    stream = container.streams.video[0]
    if 'mp4' in container.format.name:
        packets = [packet for packet in container.demux(stream) if packet.size]
        if len(packets) < stream.frames:
            raise ValueError(
                f'the file is cut: {len(packets)} of its {stream.frames} '
                'frames are there'
            )
        stamps = [p.pts for p in packets if not p.is_discard]
    else:
        stamps = [frame.pts for frame in container.decode(stream)]
    if not stamps:
        raise ValueError('the video has no frames')
    if None in stamps:  # as in a bare H.264 stream
        rate = float(stream.average_rate or 25)
        return [number / rate for number in range(len(stamps))]
    return [float(stamp * stream.time_base) for stamp in sorted(stamps)]


def pick_frames(container: Any, wanted: List[int]) -> List[np.ndarray]:
    """The frames of these numbers of a PyAV container that is at its start.

    Returns:
        list[np.ndarray]: (H, W, 3) uint8 RGB each, as they are to be seen.

    Raises:
        ValueError: The video ends before one of them.
    """
    picked = {}
    last, missing = -1, set(wanted)
    for last, frame in enumerate(container.decode(video=0)):
        if last in missing:
            picked[last] = upright(frame)
            missing.remove(last)
            if not missing:
                break
    if missing:
        raise ValueError(
            f'frame {min(missing)} is wanted, but only {last + 1} frames can '
            'be decoded'
        )
    return [picked[number] for number in wanted]


def upright(frame: av.VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a frame, turned as its display matrix says.

    By quarters, and never mirrored, as decord and OpenCV turn frames. FFmpeg
    pads the rows of what is not turned; a copy without would take as long as
    the conversion.
    """
    image = frame.to_ndarray(format='rgb24', **_ONE_THREAD)
    quarters = round(frame.rotation / 90)
    if not quarters or abs(frame.rotation - 90 * quarters) > 1:
        return image
    return np.ascontiguousarray(np.rot90(image, quarters))


def display_matrix(frame: av.VideoFrame) -> Tuple[int, int, int, int]:
    """(a, b, c, d) of the display matrix, 65536 for 1; by default the unit's.

    The pixel at (x, y) is shown at (a x + c y, b x + d y).
    """
    side_data: Any = frame.side_data  # typed as a mapping, yields its values
    for data in side_data:
        if data.type.name == 'DISPLAYMATRIX':
            a, b, _, c, d = np.frombuffer(bytes(memoryview(data)), '<i4')[:5]
            return int(a), int(b), int(c), int(d)
    return 65536, 0, 0, 65536


def is_mirrored(path: str) -> bool:
    """Whether players mirror a video, as cameras at the front may ask them."""
    with open_container(path) as container:
        a, b, c, d = display_matrix(next(container.decode(video=0)))
    return a * d < b * c
