"""Make the list files of Kinetics-400 from its official CSV files.

Expects, below the folder of the data set,

    annotations/train.csv, annotations/val.csv
    videos_train/, videos_val/      ID_START_END.mp4, also in class folders

and writes kinetics400_{train,val}_list_videos.txt there. Labels number
the classes of train.csv in alphabetical order. Videos that are missing are
counted and not listed: many are no longer on YouTube.

Example:
    python tools/data/kinetics400.py data/kinetics400
"""

import csv
from pathlib import Path
from typing import List, Tuple

from list_files import find_file, index_videos, list_videos, parse_root

from mmvideomamba.cli import one_line_errors
from mmvideomamba.datasets.annotations import read_lines

COLUMNS = ('label', 'youtube_id', 'time_start', 'time_end')


@one_line_errors()
def main() -> None:
    args = parse_root(__doc__, 'data/kinetics400')
    annotations = args.root / 'annotations'
    train = read_csv(find_file(annotations, 'train.csv'))
    val = read_csv(find_file(annotations, 'val.csv'))
    classes = sorted({name for _, name in train})
    labels = {name: label for label, name in enumerate(classes)}
    for subset, rows in (('train', train), ('val', val)):
        unknown = {name for _, name in rows} - set(labels)
        if unknown:
            raise ValueError(
                f'{subset}.csv has classes that are not in train.csv: '
                f'{", ".join(sorted(unknown))}'
            )
        list_videos(
            args.root / f'kinetics400_{subset}_list_videos.txt',
            ((video, labels[name]) for video, name in rows),
            index_videos(args.root / f'videos_{subset}'),
            args.delimiter,
        )


def read_csv(path: Path) -> List[Tuple[str, str]]:
    """Read (file name without suffix, class name) of every video."""
    reader = csv.DictReader(read_lines(path))
    missing = set(COLUMNS) - set(reader.fieldnames or ())
    if missing:
        raise ValueError(
            f'{path} has no column {", ".join(sorted(missing))}; expected '
            f'the official file with {", ".join(COLUMNS)}'
        )
    try:
        return [
            (
                f'{row["youtube_id"]}_{int(row["time_start"]):06d}'
                f'_{int(row["time_end"]):06d}',
                row['label'],
            )
            for row in reader
        ]
    except (TypeError, ValueError, csv.Error) as error:
        raise ValueError(
            f'{path}, line {reader.line_num}: expected {", ".join(COLUMNS)}, '
            f'the times in whole seconds: {error}'
        ) from error


if __name__ == '__main__':
    main()
