"""Find the videos of a list that a training could not read.

Opens every video as training does (decord) and reads its first, middle and
last frame. Prints what is unreadable, empty or too short and writes the list
without it. Labels are kept as they are; where videos may have several, a line
may have any number of them.

Example:
    python tools/data/check_videos.py \\
        data/hmdb51/hmdb51_train_split_1_videos.txt data/hmdb51/videos
"""

from functools import partial
from pathlib import Path
from typing import Optional

import decord
from list_files import add_delimiter, write_list
from parallel import add_workers, find_good

from mmvideomamba.cli import existing_folder, make_parser, one_line_errors
from mmvideomamba.datasets.annotations import read_annotations


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('list', type=Path, help='the list file')
    parser.add_argument('videos', type=existing_folder, help='folder of the videos')
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
    add_delimiter(parser)
    add_workers(parser)
    args = parser.parse_args()
    # How many labels a video may have, the data set decides.
    annotations = read_annotations(
        args.list, args.delimiter, multi_class=True
    )
    videos = find_good(
        partial(check_video, args.videos, args.min_frames),
        sorted({annotation.video for annotation in annotations}),
        args.workers,
    )
    good = [a for a in annotations if a.video in videos]
    print(f'{len(annotations) - len(good)} of {len(annotations)} left out')
    other = sum(len(annotation.labels) != 1 for annotation in good)
    if other:
        print(
            f'{other} with several labels or none, which data set and head '
            'take with multi_class=True'
        )
    out = args.out or args.list.with_name(f'{args.list.stem}_clean.txt')
    write_list(out, good, args.delimiter)


def check_video(folder: Path, min_frames: int, name: str) -> Optional[str]:
    """What is wrong with a video, or None."""
    path = folder / name
    if not path.is_file():
        return 'not there'
    if path.stat().st_size == 0:
        return 'empty file'
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
    return None


if __name__ == '__main__':
    main()
