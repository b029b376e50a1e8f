"""Re-encode videos to a short side of 256 pixels: less disk, faster training.

Every video below SOURCE appears in TARGET under the same name as H.264 in
.mp4, without sound; smaller ones are copied as they are. Two that differ in
nothing but the suffix are refused. Videos that are in TARGET are skipped, so
the same call resumes one that was interrupted. Make the list files afterwards.

Example:
    python tools/data/resize_videos.py downloads/k400/train \\
        data/kinetics400/videos_train
"""

import shutil
from functools import partial
from pathlib import Path
from typing import Dict, List, Optional

import av
from list_files import find_videos
from parallel import add_workers, find_good

from mmvideomamba.cli import make_parser, one_line_errors
from mmvideomamba.files import atomic_write


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('source', type=Path, help='folder of the videos')
    parser.add_argument('target', type=Path, help='folder to write to')
    parser.add_argument(
        '--short-side',
        type=int,
        default=256,
        help='in pixels, even (default: %(default)s)',
    )
    add_workers(parser)
    args = parser.parse_args()
    if args.short_side < 2 or args.short_side % 2:
        raise ValueError(
            f'--short-side must be even and positive, got {args.short_side}'
        )
    names = name_videos(args.source)
    resize = partial(resize_video, args.source, args.target, args.short_side)
    good = find_good(resize, names, args.workers)
    print(f'{len(good)} of {len(names)} videos in {args.target}')


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
    source: Path, target: Path, short_side: int, name: str
) -> Optional[str]:
    """Write one video; returns what went wrong, or None."""
    path = source / name
    resized = (target / name).with_suffix('.mp4')
    copied = target / name
    if resized.exists() or copied.exists():
        return None
    try:
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            if min(video.width, video.height) <= short_side:
                with atomic_write(copied) as partial_file:
                    shutil.copyfile(path, partial_file)
            else:
                with atomic_write(resized) as partial_file:
                    write_resized(container, video, short_side, partial_file)
    except (av.FFmpegError, IndexError, ValueError) as error:
        return f'unreadable: {error}'
    return None


def write_resized(container, video, short_side: int, path: str) -> None:
    scale = short_side / min(video.width, video.height)
    # H.264 needs even sides.
    width, height = (
        2 * round(side * scale / 2) for side in (video.width, video.height)
    )
    with av.open(path, 'w', format='mp4') as target:
        stream = target.add_stream('libx264', rate=video.average_rate or 25)
        stream.width, stream.height = width, height
        stream.pix_fmt = 'yuv420p'
        # A keyframe in every 32: readers jump to a clip without decoding
        # what lies before it. One thread, as the videos run in parallel.
        stream.options = {
            'crf': '20',
            'preset': 'fast',
            'g': '32',
            'threads': '1',
        }
        for frame in container.decode(video):
            frame = frame.reformat(width, height, 'yuv420p')
            target.mux(stream.encode(frame))
        target.mux(stream.encode())


if __name__ == '__main__':
    main()
