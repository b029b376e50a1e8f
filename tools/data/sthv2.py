"""Make the list files of Something-Something V2 from its official JSON files.

Expects, below the folder of the data set,

    annotations/labels.json, train.json, validation.json
                (or something-something-v2-labels.json and so on)
    videos/     ID.webm

and writes sthv2_{train,val}_list_videos.txt there, with the labels of
labels.json.

Example:
    python tools/data/sthv2.py data/sthv2
"""

import json
from pathlib import Path
from typing import Dict, List

from list_files import (
    Entry,
    find_file,
    index_videos,
    list_videos,
    parse_root,
)

from mmvideomamba.cli import one_line_errors
from mmvideomamba.datasets.annotations import read_lines


@one_line_errors()
def main() -> None:
    args = parse_root(__doc__, 'data/sthv2')
    annotations = args.root / 'annotations'
    labels = read_json(find_file(annotations, '*labels.json'))
    videos = index_videos(args.root / 'videos')
    for subset, name in (('train', 'train'), ('val', 'validation')):
        list_videos(
            args.root / f'sthv2_{subset}_list_videos.txt',
            read_entries(find_file(annotations, f'*{name}.json'), labels),
            videos,
            args.delimiter,
        )


def read_entries(path: Path, labels: Dict[str, str]) -> List[Entry]:
    """Read (file name without suffix, label) of every video."""
    entries = []
    for video in read_json(path):
        # 'Holding [something]' is 'Holding something' in labels.json.
        template = video['template'].replace('[', '').replace(']', '')
        if template not in labels:
            raise ValueError(
                f'{path}: the template {template!r} of video {video["id"]} '
                'is not in labels.json'
            )
        entries.append((str(video['id']), int(labels[template])))
    return entries


def read_json(path: Path):
    try:
        return json.loads('\n'.join(read_lines(path)))
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is not JSON: {error}') from error


if __name__ == '__main__':
    main()
