"""Make the list files of one's own videos, a folder for each class.

ROOT is what finetune.py takes: folders ROOT/CLASS, or ROOT/train/CLASS and
ROOT/val/CLASS, or a .csv file with a line `FILE,CLASS` for each video. Videos
that cannot be read are named and left aside. Writes train_list.txt,
val_list.txt and classes.txt to the folder OUT.

Example:
    python tools/data/class_folders.py my_videos data/mine --val 0.3
"""

from pathlib import Path

from mmvideomamba.cli import (
    add_division,
    add_workers,
    make_parser,
    one_line_errors,
)
from mmvideomamba.datasets.class_folders import (
    choose_delimiter,
    find_own_videos,
    format_lists,
    leave_unfit_aside,
    split_off_validation,
)
from mmvideomamba.files import write_text

MIN_FRAMES = 2


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('root', help='folder or table of the videos')
    parser.add_argument('out', type=Path, help='folder of the lists')
    add_division(parser)
    add_workers(parser)
    args = parser.parse_args()
    videos = find_own_videos(args.root)
    # Looking at the videos may take minutes: what cannot be is said first.
    split_off_validation(videos, args.val, args.seed, args.group)
    videos, _ = leave_unfit_aside(videos, MIN_FRAMES, args.workers)
    videos = split_off_validation(videos, args.val, args.seed, args.group)
    for name, text in format_lists(videos).items():
        write_text(args.out / name, text)
        print(f'{args.out / name}: {len(text.splitlines())} lines')
    print(
        f'for the datasets of a config: data_prefix=dict(video='
        f'{videos.folder!r}), delimiter={choose_delimiter(videos)!r}'
    )


if __name__ == '__main__':
    main()
