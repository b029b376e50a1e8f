"""Make the list files of HMDB51 from its official split files.

Expects, below the folder of the data set,

    videos/CLASS/NAME.avi               hmdb51_org.rar, and the .rar in it
    annotations/.../CLASS_test_split{1,2,3}.txt      test_train_splits.rar

and writes hmdb51_{train,val}_split_{1,2,3}_videos.txt there. Labels number
the classes in alphabetical order.

Example:
    python tools/data/hmdb51.py data/hmdb51
"""

from pathlib import Path
from typing import Dict, List

from list_files import Entry, index_videos, list_videos, parse_root

from mmvideomamba.cli import one_line_errors
from mmvideomamba.datasets.annotations import read_lines

# The flags in the split files; 0 is a video that the split leaves out.
SUBSETS = {'1': 'train', '2': 'val'}


@one_line_errors()
def main() -> None:
    args = parse_root(__doc__, 'data/hmdb51')
    videos = index_videos(args.root / 'videos', by_path=True)
    for split in (1, 2, 3):
        subsets = read_split(args.root / 'annotations', split)
        for subset, wanted in subsets.items():
            path = args.root / f'hmdb51_{subset}_split_{split}_videos.txt'
            list_videos(path, wanted, videos, args.delimiter)


def read_split(folder: Path, split: int) -> Dict[str, List[Entry]]:
    """Read one of the three splits.

    Returns:
        dict: 'train' and 'val' -> (CLASS/NAME without suffix, label).
    """
    ending = f'_test_split{split}.txt'
    files = sorted(folder.rglob(f'*{ending}'))
    if not files:
        raise ValueError(
            f'no CLASS{ending} in {folder}; unpack test_train_splits.rar there'
        )
    subsets: Dict[str, List[Entry]] = {name: [] for name in SUBSETS.values()}
    for label, file in enumerate(files):
        folder_name = file.name[: -len(ending)]
        for number, line in enumerate(read_lines(file), 1):
            if not line.strip():
                continue
            name, _, flag = line.strip().rpartition(' ')
            if flag not in ('0', *SUBSETS):
                raise ValueError(
                    f"{file}, line {number}: expected 'NAME.avi' and 0, 1 or "
                    f'2, got {line!r}'
                )
            if flag in SUBSETS:
                video = f'{folder_name}/{Path(name.strip()).stem}'
                subsets[SUBSETS[flag]].append((video, label))
    return subsets


if __name__ == '__main__':
    main()
