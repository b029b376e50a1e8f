"""Train a recognizer on a folder of one's own videos, and report on it.

ROOT holds a folder for each class, or train/CLASS and val/CLASS; or it is a
.csv file with a line `FILE,CLASS` for each video. Videos that cannot be read
are named and left aside. The work folder gets lists, classes.txt, a config
that train.py and mmaction2's tools run too, checkpoints, and a report of what
the best model gets wrong. Interrupted, the same command resumes.

Example:
    mmvideomamba finetune my_videos --arch nano
    mmvideomamba finetune my_videos \\
        --weights videomamba-small-p16_opengvlab-8f_kinetics400-rgb
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from ..analysis.mistakes import classify_test_set, write_report
from ..apis import init_model
from ..datasets.class_folders import (
    OwnVideos,
    find_own_videos,
    format_lists,
    leave_unfit_aside,
    split_off_validation,
)
from ..files import write_text
from ..finetuning import (
    TUBELET,
    ClipSize,
    fit_clips,
    make_config,
    make_start,
    require_weights_fit,
)
from ..model_zoo import find_model
from ..models.videomamba import ARCHS
from ..runner import TrainingInterrupted, build_runner
from .arguments import (
    add_division,
    make_parser,
    one_line_errors,
    positive_int,
)


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
    add_division(parser)
    parser.add_argument('--work-dir', help='by default work_dirs/NAME_OF_ROOT')
    return parser.parse_args()


@one_line_errors()
def main() -> None:
    args = parse_args()
    name = Path(args.root).resolve().stem
    work_dir = Path(args.work_dir or f'work_dirs/{name}').absolute()
    videos = find_own_videos(args.root)
    # Looking at the videos may take minutes: what cannot be is said first.
    split_off_validation(videos, args.val, args.seed, args.group)
    start = make_start(args.arch, args.weights, args.frames, args.size)
    require_weights_fit(start)

    workers = min(8, os.cpu_count() or 1)
    videos, sizes = leave_unfit_aside(videos, TUBELET, workers)
    videos = split_off_validation(videos, args.val, args.seed, args.group)
    text = make_config(
        videos,
        fit_clips(start, median_size(sizes)),
        str(work_dir),
        args.epochs,
        workers,
        torch.cuda.is_available(),
        args.seed,
    )
    config = str(write_inputs(work_dir, videos, text))

    cfg = Config.fromfile(config)
    cfg.resume = True
    try:
        build_runner(cfg, brief=True).train()
    except TrainingInterrupted:
        print('Interrupted: the same command resumes', file=sys.stderr)
        raise

    model = init_model(config, find_model(str(work_dir)).checkpoint)
    out = str(work_dir / 'report')
    print(write_report(classify_test_set(model, model.cfg), out))
    print(f'Report: {out}.md, confusion matrix: {out}.png')
    print('Recognise other videos:')
    print(f'    mmvideomamba predict {work_dir} VIDEO ...')


def median_size(sizes: np.ndarray) -> ClipSize:
    """Median frames and short side of (N, 3) frames, heights and widths."""
    frames, side = np.median([sizes[:, 0], sizes[:, 1:].min(1)], 1)
    return ClipSize(int(frames), int(side))


def write_inputs(work_dir: Path, videos: OwnVideos, config: str) -> Path:
    """Write lists, names of the classes and the config, which is returned.

    Raises:
        ValueError: The folder has another training.
    """
    texts = {**format_lists(videos), 'finetune.py': config}
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
