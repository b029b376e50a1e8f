"""Find the videos of a list that a training could not read.

Opens every video as training does and reads its first, middle and last frame,
as one batch. Prints what is unreadable, empty, mirrored or too short and
writes the list without it. Labels are kept as they are; where videos may have
several, a line may have any number of them. The exit status is 1 if anything
is left out.

Example:
    python tools/data/check_videos.py \\
        data/hmdb51/hmdb51_train_split_1_videos.txt data/hmdb51/videos
"""

import sys
from functools import partial
from pathlib import Path

from list_files import add_delimiter, write_list

from mmvideomamba.cli import (
    add_workers,
    existing_folder,
    make_parser,
    one_line_errors,
)
from mmvideomamba.datasets.annotations import (
    check_labels,
    read_annotations,
    read_class_names,
)
from mmvideomamba.parallel import find_good
from mmvideomamba.video import check_video


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
    parser.add_argument(
        '--classes',
        help='text file with one class name a line, for lists with names as '
        'labels; the list that is written has numbers',
    )
    add_delimiter(parser)
    add_workers(parser)
    args = parser.parse_args()
    # How many labels a video may have, the data set decides.
    classes = read_class_names(args.classes) if args.classes else None
    annotations = read_annotations(
        args.list, args.delimiter, multi_class=True, classes=classes
    )
    if classes:
        check_labels(annotations, len(classes), args.list)
    videos = find_good(
        partial(check_video, args.videos, args.min_frames),
        sorted({annotation.video for annotation in annotations}),
        args.workers,
    )
    good = [a for a in annotations if a.video in videos]
    if not good:
        raise ValueError(f'no video of {args.list} can be used, see above')
    print(f'{len(annotations) - len(good)} of {len(annotations)} left out')
    other = sum(len(annotation.labels) != 1 for annotation in good)
    if other:
        print(
            f'{other} with several labels or none, which data set and head '
            'take with multi_class=True'
        )
    out = args.out or args.list.with_name(f'{args.list.stem}_clean.txt')
    write_list(out, good, args.delimiter)
    if len(good) < len(annotations):
        sys.exit(1)


if __name__ == '__main__':
    main()
