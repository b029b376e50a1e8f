"""Re-encode videos to a short side of 256 pixels: less disk, faster training.

Every video below SOURCE appears in TARGET under the same name as H.264 in
.mp4, without sound. It keeps all its frames, each at its time, and is turned
as players show it, so that no reader need turn it. Smaller ones that need no
turning are copied as they are. Two that differ in nothing but the suffix are
refused. Videos that are in TARGET are skipped, so the same call resumes one
that was interrupted. What cannot be read is listed, and the exit status is
then 1; a full disk ends the call. Make the list files afterwards.

Examples:
    python tools/data/resize_videos.py downloads/k400/train \\
        data/kinetics400/videos_train

    # What keyframes cost and save on three of these videos; writes nothing.
    python tools/data/resize_videos.py downloads/k400/train --compare-keyframes
"""

import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import av
import numpy as np
from keyframes import KEYFRAMES, compare_keyframes
from list_files import find_videos

from mmvideomamba.cli import (
    add_workers,
    make_parser,
    one_line_errors,
    positive_int,
)
from mmvideomamba.files import atomic_write
from mmvideomamba.parallel import find_good
from mmvideomamba.video import (
    describe_error,
    display_matrix,
    naming_errors,
    open_container,
    open_video,
)


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('source', type=Path, help='folder of the videos')
    parser.add_argument(
        'target', nargs='?', type=Path, help='folder to write to'
    )
    parser.add_argument(
        '--short-side',
        type=int,
        default=256,
        help='in pixels, even (default: %(default)s)',
    )
    parser.add_argument(
        '--keyframes',
        type=positive_int,
        default=KEYFRAMES,
        metavar='N',
        help='a keyframe in every N frames: fewer are smaller, more are read '
        'faster (default: %(default)s)',
    )
    parser.add_argument(
        '--compare-keyframes',
        action='store_true',
        help='print the size and the CPU time of a clip with several such N, '
        'on the first, middle and last video, and recommend one',
    )
    add_workers(parser)
    args = parser.parse_args()
    if args.compare_keyframes is (args.target is not None):
        raise ValueError('expected a TARGET or --compare-keyframes')
    if args.short_side < 2 or args.short_side % 2:
        raise ValueError(
            f'--short-side must be even and positive, got {args.short_side}'
        )
    names = name_videos(args.source)
    resize = partial(
        resize_video,
        args.source,
        short_side=args.short_side,
        keyframes=args.keyframes,
    )
    if args.compare_keyframes:
        few = sorted({names[0], names[len(names) // 2], names[-1]})
        print(compare_keyframes(resize, few))
        return
    resize = partial(resize, args.target)
    good = find_good(resize, names, args.workers)
    print(f'{len(good)} of {len(names)} videos in {args.target}')
    if len(good) < len(names):
        sys.exit(1)


def name_videos(source: Path) -> List[str]:
    """The videos of a folder, as paths within it.

    Raises:
        ValueError: There is none, or two would become one file.
    """
    sources: Dict[Path, Path] = {}
    for path in find_videos(source):
        other = sources.setdefault(path.with_suffix('.mp4'), path)
        if other != path:
            raise ValueError(
                f'{source / other} and {source / path} would become one '
                'file; rename one of them'
            )
    return [path.as_posix() for path in sources.values()]


def resize_video(
    source: Path, target: Path, name: str, short_side: int, keyframes: int
) -> Optional[str]:
    """Write one video; returns what is wrong with it, or None.

    Raises:
        OSError: The target cannot be written, say as the disk is full.
    """
    path = str(source / name)
    resized = (target / name).with_suffix('.mp4')
    copied = target / name
    if resized.exists() or copied.exists():
        return None
    try:
        # It names what is no file, and what cannot be read at all.
        open_video(path)
        with naming_errors(path), open_container(path) as container:
            first = next(container.decode(video=0))
            turn = Turn.of(first)
            scale = min(1, short_side / min(first.width, first.height))
        if scale == 1 and turn == Turn():
            copy_file(path, copied)
        else:
            write_resized(path, scale, turn, keyframes, resized)
    except OSError:
        raise
    except Exception as error:
        # Whatever a decoder raises, the other videos are written.
        return f'unreadable: {describe_error(path, error)}'
    return None


def copy_file(path: str, target: Path) -> None:
    with (
        atomic_write(target, size=os.path.getsize(path)) as partial_file,
        open(path, 'rb') as source,
        open(partial_file, 'wb') as file,
    ):
        shutil.copyfileobj(source, file)


class Turn(NamedTuple):
    """How players show the pixels of a video: transposed, then flipped."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> 'Turn':
        """The turn of a display matrix.

        Raises:
            ValueError: It is no quarter.
        """
        a, b, c, d = display_matrix(frame)
        if max(abs(b), abs(c)) <= 0.02 * min(abs(a), abs(d)):
            return cls(False, a < 0, d < 0)
        if max(abs(a), abs(d)) <= 0.02 * min(abs(b), abs(c)):
            return cls(True, c < 0, b < 0)
        raise ValueError(
            f'its display matrix turns it by {frame.rotation} degrees; '
            'expected a multiple of 90'
        )

    def apply(self, plane: np.ndarray) -> np.ndarray:
        """Turn an (H, W) plane."""
        if self.transpose:
            plane = plane.T
        return plane[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


def write_resized(
    path: str, scale: float, turn: Turn, keyframes: int, target: Path
) -> None:
    """Write a video with all its frames at their times.

    Raises:
        OSError: The target cannot be written.
        ValueError: The video cannot be read, or frames were lost.
    """
    with naming_errors(path):
        source = open_container(path)
    with (
        source,
        atomic_write(target) as partial_file,
        # FFmpeg would close a file of its own without a look at errors.
        open(partial_file, 'wb') as file,
        av.open(file, 'w', format='mp4') as container,
    ):
        video = source.streams.video[0]
        # H.264 needs even sides.
        width, height = (
            max(2, 2 * round(side * scale / 2))
            for side in (video.width, video.height)
        )
        stream = container.add_stream('libx264', rate=video.average_rate or 25)
        # Every frame at its time, which need be no multiple of a rate.
        stream.codec_context.time_base = video.time_base
        stream.width, stream.height = width, height
        if turn.transpose:
            stream.width, stream.height = height, width
        stream.pix_fmt = 'yuv420p'
        # Readers jump to a keyframe before a clip, and decode from there on.
        # One thread, as the videos run in parallel.
        stream.options = {
            'crf': '20',
            'preset': 'fast',
            'g': str(keyframes),
            'threads': '1',
        }
        last, read, written = None, 0, 0
        for read, frame in enumerate(decode(path, source), 1):
            last = next_time(frame.pts, last, video)
            frame = frame.reformat(width, height, 'yuv420p')
            frame = turned(frame, turn)
            frame.pts, frame.time_base = last, video.time_base
            written += mux(container, stream.encode(frame))
        written += mux(container, stream.encode())
        if written != read:
            raise ValueError(f'{read - written} of {read} frames were lost')


def decode(path: str, source: Any) -> Iterator[av.VideoFrame]:
    """The frames of a container; its errors name the file."""
    with naming_errors(path):
        yield from source.decode(video=0)


def next_time(pts, last, video) -> int:
    """When a frame is shown, in the time base of its stream.

    Some formats give no times, and broken files give one twice; H.264 needs
    times that grow.
    """
    if pts is None:
        step = 1 / ((video.average_rate or 25) * video.time_base)
        pts = 0 if last is None else last + max(1, round(step))
    return pts if last is None else max(pts, last + 1)


def turned(frame: av.VideoFrame, turn: Turn) -> av.VideoFrame:
    """A frame in yuv420p, plane by plane: no colour changes."""
    if turn == Turn():
        return frame
    planes = frame.to_ndarray()  # (1.5 H, W): Y, then U and V in half rows
    height, width = frame.height, frame.width
    luma, chroma = planes[:height], planes[height:].reshape(2, -1)
    parts = [luma, *chroma.reshape(2, height // 2, width // 2)]
    flat = np.concatenate([turn.apply(part).ravel() for part in parts])
    columns = height if turn.transpose else width
    return av.VideoFrame.from_ndarray(flat.reshape(-1, columns), 'yuv420p')


def mux(container: Any, packets: List[av.Packet]) -> int:
    """Write packets, one a frame; returns their number."""
    for packet in packets:
        container.mux(packet)
    return len(packets)


if __name__ == '__main__':
    main()
