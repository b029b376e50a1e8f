"""Find the videos of a list that a training could not read.

Opens every video as training does (decord) and reads its first, middle and
last frame. Prints what is unreadable, empty or too short and writes the list
without it.

Example:
    python tools/data/check_videos.py \\
        data/hmdb51/hmdb51_train_split_1_videos.txt data/hmdb51/videos
"""

import argparse
import os
from functools import partial
from pathlib import Path

from list_files import fail, read_list, write_list
from parallel import run_parallel

OKAY = ''


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('list', type=Path, help='the list file')
    parser.add_argument('videos', type=Path, help='folder of the videos')
    parser.add_argument(
        '--out',
        type=Path,
        help='the list to write (default: LIST with _clean in its name)',
    )
    parser.add_argument(
        '--min-frames',
        type=int,
        default=2,
        help='shorter videos are left out (default: %(default)s)',
    )
    parser.add_argument('--delimiter', default=' ')
    parser.add_argument('--workers', type=int, default=os.cpu_count())
    args = parser.parse_args()
    out = args.out or args.list.with_name(f'{args.list.stem}_clean.txt')
    try:
        if not args.list.is_file():
            raise ValueError(f'no list file {args.list}')
        if not args.videos.is_dir():
            raise ValueError(f'no folder {args.videos}')
        entries = read_list(args.list, args.delimiter)
        faults = run_parallel(
            partial(check_video, args.videos, args.min_frames),
            sorted({name for name, _ in entries}),
            args.workers,
            on_crash='kills the decoder',
        )
        for name, fault in faults.items():
            if fault != OKAY:
                print(f'{name}: {fault}')
        good = [entry for entry in entries if faults[entry[0]] == OKAY]
        print(f'{len(entries) - len(good)} of {len(entries)} left out')
        write_list(out, good, delimiter=args.delimiter)
    except ValueError as error:
        fail(error)


def check_video(folder: Path, min_frames: int, name: str) -> str:
    """What is wrong with a video, or nothing."""
    path = folder / name
    if not path.is_file():
        return 'not there'
    if path.stat().st_size == 0:
        return 'empty file'
    import decord

    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        count = len(reader)
        if count < min_frames:
            return f'{count} frames, fewer than {min_frames}'
        for number in (0, count // 2, count - 1):
            reader[number].asnumpy()
    except (RuntimeError, ValueError, IndexError) as error:
        # decord adds its stack after the first line.
        return f'unreadable: {str(error).splitlines()[0]}'
    return OKAY


if __name__ == '__main__':
    main()
