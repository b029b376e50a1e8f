"""How often videos should have a keyframe: size against speed, measured."""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Callable, List, Optional, Sequence

from mmvideomamba.tables import markdown_table
from mmvideomamba.video import open_video

# What `resize_videos.py` writes by default.
KEYFRAMES = 32
INTERVALS = (8, 16, 32, 64, 128, 250)
# A clip as the recipes sample it, and how many of each video.
CLIP = range(0, 32, 2)
CLIPS = 11


def compare_keyframes(
    write: Callable[..., Optional[str]], names: Sequence[str]
) -> str:
    """Write videos with a keyframe in every N frames, and read clips of them.

    Args:
        write (Callable): (folder, name, keyframes=N) -> what is wrong, or
            None; writes a video into the folder.
        names (Sequence[str]): Videos to write.

    Returns:
        str: A Markdown table, and the N whose size times time is least.

    Raises:
        ValueError: One of them cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = {
            interval: _write(write, Path(folder, str(interval)), names, interval)
            for interval in INTERVALS
        }
        sizes = [
            sum(path.stat().st_size for path in paths)
            for paths in written.values()
        ]
        if len(set(sizes)) == 1:
            raise ValueError(
                'the videos are no larger than --short-side, and would be '
                'copied as they are'
            )
        # In turns, as a machine's speed varies.
        rounds = [
            [
                sum(_read_clip(path, number) for path in paths)
                for paths in written.values()
            ]
            for number in range(CLIPS)
        ]
    times = [median(column) / len(names) for column in zip(*rounds)]
    best = min(range(len(INTERVALS)), key=lambda i: sizes[i] * times[i])
    table = markdown_table(
        ('a keyframe in', 'MB', 'size, ratio', 'CPU ms a clip'),
        [
            (
                f'{interval} frames',
                f'{size / 1e6:.2f}',
                f'{size / sizes[-1]:.2f}',
                f'{1e3 * seconds:.1f}',
            )
            for interval, size, seconds in zip(INTERVALS, sizes, times)
        ],
    )
    return f'{table}\n\nrecommended: --keyframes {INTERVALS[best]}'


def _write(
    write: Callable, folder: Path, names: Sequence[str], interval: int
) -> List[Path]:
    for name in names:
        fault = write(folder, name, keyframes=interval)
        if fault is not None:
            raise ValueError(f'{name}: {fault}')
    return [path for path in folder.rglob('*') if path.is_file()]


def _read_clip(path: Path, number: int) -> float:
    """CPU seconds of one of the `CLIPS` clips that are spread over a video."""
    start = time.process_time()
    reader = open_video(str(path))
    begin = max(0, len(reader) - CLIP.stop) * number // (CLIPS - 1)
    reader.get_batch([min(begin + n, len(reader) - 1) for n in CLIP])
    return time.process_time() - start
