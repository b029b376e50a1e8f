"""Train a recognizer on a folder of one's own videos, and report on it.

ROOT holds a folder for each class, or train/CLASS and val/CLASS; or it is a
.csv file with a line `FILE,CLASS` for each video. Videos that cannot be read
are named and left aside. The work folder gets lists, classes.txt, a config
that train.py and mmaction2's tools run too, checkpoints, and a report of what
the best model gets wrong. Interrupted, the same command resumes.

Example:
    python tools/finetune.py my_videos --arch nano
    python tools/finetune.py my_videos \\
        --weights videomamba-small-p16_opengvlab-8f_kinetics400-rgb
"""

import argparse
import os
from pathlib import Path
from typing import Dict, Tuple

import numpy as np
import torch
from mmengine.config import Config

from mmvideomamba.analysis.mistakes import classify_test_set, write_report
from mmvideomamba.apis import init_model
from mmvideomamba.cli import make_parser, one_line_errors, positive_int
from mmvideomamba.datasets.annotations import format_annotations
from mmvideomamba.datasets.class_folders import (
    OwnVideos,
    choose_delimiter,
    find_own_videos,
    split_off_validation,
)
from mmvideomamba.files import write_text
from mmvideomamba.finetuning import (
    TUBELET,
    ClipSize,
    make_config,
    make_start,
    require_weights_fit,
)
from mmvideomamba.model_zoo import find_model
from mmvideomamba.models.videomamba import ARCHS
from mmvideomamba.progress import track
from mmvideomamba.runner import build_runner
from mmvideomamba.video import describe_error, inspect_video


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('root', help='folder or table of the videos')
    parser.add_argument(
        '--arch',
        choices=list(ARCHS),
        help='by default that of the weights, or nano',
    )
    parser.add_argument(
        '--weights',
        help='what to start from: a name of list_models, the folder of a '
        'training, a file or a URL (default: random weights)',
    )
    parser.add_argument(
        '--frames',
        type=positive_int,
        help='of a clip; by default as the weights or the videos suggest',
    )
    parser.add_argument(
        '--size',
        type=positive_int,
        help='height and width of a clip in pixels, likewise',
    )
    parser.add_argument(
        '--epochs',
        type=positive_int,
        help='by default more of them for fewer videos',
    )
    parser.add_argument(
        '--val',
        type=float,
        default=0.2,
        metavar='SHARE',
        help='of each class for validation (default: %(default)s)',
    )
    parser.add_argument(
        '--group',
        metavar='REGEX',
        help='keep videos together in whose names it finds the same text, '
        "such as 'person[0-9]+'",
    )
    parser.add_argument('--work-dir', help='by default work_dirs/NAME_OF_ROOT')
    return parser.parse_args()


@one_line_errors()
def main() -> None:
    args = parse_args()
    name = Path(args.root).resolve().stem
    work_dir = Path(args.work_dir or f'work_dirs/{name}').absolute()
    videos, median = leave_unreadable_aside(find_own_videos(args.root))
    if 'all' in videos.splits:
        videos = split_off_validation(videos, args.val, group=args.group)
    start = make_start(
        args.arch, args.weights, (args.frames, args.size), median
    )
    require_weights_fit(start)
    text = make_config(
        videos,
        start,
        str(work_dir),
        args.epochs,
        workers=min(8, os.cpu_count() or 1),
        on_gpu=torch.cuda.is_available(),
    )
    config = str(write_inputs(work_dir, videos, text))

    cfg = Config.fromfile(config)
    cfg.resume = True
    build_runner(cfg, brief=True).train()

    checkpoint = find_model(str(work_dir / 'run')).checkpoint
    model = init_model(config, checkpoint)
    out = str(work_dir / 'report')
    print(write_report(classify_test_set(model, model.cfg), out))
    print(f'Report: {out}.md, confusion matrix: {out}.png')
    print('Recognise other videos:')
    print(f'    python tools/predict.py {config} {checkpoint} VIDEO ...')


def leave_unreadable_aside(videos: OwnVideos) -> Tuple[OwnVideos, ClipSize]:
    """Read some frames of every video; name those that cannot be read.

    Returns:
        tuple: The others, and their median frames and short side.
    """
    sizes: Dict[str, ClipSize] = {}
    names = [name for split in videos.splits.values() for name, _ in split]
    for name in track(names, len(names)):
        path = os.path.join(videos.folder, name)
        try:
            count, *sides = inspect_video(path, TUBELET)
            sizes[name] = ClipSize(count, min(sides))
        except Exception as error:
            # Whatever a decoder raises, the others are looked at.
            print(f'left aside {name}: {describe_error(path, error)}')
    if not sizes:
        raise ValueError(f'none of the {len(names)} videos can be read')
    good = {
        split: [a for a in annotations if a.video in sizes]
        for split, annotations in videos.splits.items()
    }
    median = ClipSize(*np.median(list(sizes.values()), 0).astype(int).tolist())
    return videos._replace(splits=good), median


def write_inputs(work_dir: Path, videos: OwnVideos, config: str) -> Path:
    """Write lists, names of the classes and the config, which is returned.

    Raises:
        ValueError: The folder has another training.
    """
    delimiter = choose_delimiter(videos)
    texts = {
        'classes.txt': ''.join(f'{name}\n' for name in videos.classes),
        **{
            f'{split}_list.txt': format_annotations(annotations, delimiter)
            for split, annotations in videos.splits.items()
        },
        'finetune.py': config,
    }
    for name, text in texts.items():
        path = work_dir / name
        if not path.exists():
            write_text(path, text)
        elif path.read_text('utf-8') != text:
            raise ValueError(
                f'{path} is of a training with other settings or videos: '
                f'give another --work-dir, or remove {work_dir}'
            )
    return work_dir / 'finetune.py'


if __name__ == '__main__':
    main()
