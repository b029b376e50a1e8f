"""Where the frames of a video are in its file, to decode few of them.

An index is made of H.264 files whose packets say it all. There, a frame is
decoded from the last keyframe before it on, without the frames in between
that nothing refers to.
"""

from itertools import groupby
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Tuple,
)

import av


class FrameIndex(NamedTuple):
    """When the frames of a video are shown, in units of its stream.

    Attributes:
        stamps (list[int]): Of all frames, in the order shown.
        keys (list[int]): Of each frame, the time of the last keyframe that is
            shown before it, or its own.
    """

    stamps: List[int]
    keys: List[int]


def index_frames(container: Any) -> Optional[FrameIndex]:
    """The index of an open PyAV container; None where there is no sound one.

    Reads every packet and decodes none.

    Returns:
        FrameIndex, optional: Of an MP4 or Matroska file of 8-bit 4:2:0 H.264
        whose packets are one frame each, at times of their own, the first of
        them a keyframe.
    """
    stream = container.streams.video[0]
    context = stream.codec_context
    formats = container.format.name.split(',')
    if not (
        context.name == 'h264'
        and context.pix_fmt in ('yuv420p', 'yuvj420p')
        and ('mp4' in formats or 'matroska' in formats)
    ):
        return None
    packets = [packet for packet in container.demux(stream) if packet.size]
    stamps = sorted({p.pts for p in packets if p.pts is not None})
    keyframes = {p.pts for p in packets if p.is_keyframe}
    if not (
        # Fewer than an MP4 file says: it is cut.
        len(stamps) == len(packets) >= max(1, stream.frames)
        and stamps[0] in keyframes
        and not any(packet.is_discard for packet in packets)
    ):
        return None
    keys: List[int] = []
    for stamp in stamps:
        keys.append(stamp if stamp in keyframes else keys[-1])
    return FrameIndex(stamps, keys)


def decode_frames(
    container: Any, index: FrameIndex, numbers: Iterable[int]
) -> Iterator[Tuple[int, av.VideoFrame]]:
    """Decode frames of an indexed container, in the order shown.

    Seeks once for each group of frames that follow the same keyframe.

    Args:
        container (InputContainer): Of PyAV.
        index (FrameIndex): Its index.
        numbers (Iterable[int]): Which frames; each is decoded once.

    Yields:
        tuple[int, VideoFrame]: A frame and its number. Some may be missing:
        where the decoder finds that the keyframe does not suffice, or that
        they are damaged.
    """
    stream = container.streams.video[0]
    for key, group in groupby(sorted(set(numbers)), index.keys.__getitem__):
        stream.codec_context.flush_buffers()
        container.seek(key, stream=stream)
        yield from _decode(stream, {index.stamps[n]: n for n in group})


def _decode(
    stream: Any, numbers: Dict[int, int]
) -> Iterator[Tuple[int, av.VideoFrame]]:
    """The frames of these times, from where the container is on."""
    context, waiting = stream.codec_context, set(numbers)
    for packet in stream.container.demux(stream):
        # By the standard no frame refers to one that says so: what is decoded
        # stays the same.
        is_wanted = packet.pts in numbers
        context.skip_frame = 'DEFAULT' if is_wanted else 'NONREF'
        frames = packet.decode()
        waiting.discard(packet.pts)
        if not waiting:
            frames += context.decode(None)
        for frame in frames:
            if frame.pts in numbers:
                yield numbers[frame.pts], frame
        if not waiting:
            break
