"""Test a checkpoint with mmaction2's runner.

The name of public weights stands for config, checkpoint and views. Videos that
are missing or cannot be read are named first and left out; the result is
compared with the published one. The exit status is 1 if they differ by more
than 0.3 points.

Example:
    mmvideomamba test CONFIG.py CHECKPOINT.pth --dump scores.pkl
    mmvideomamba test videomamba-small-p16_opengvlab-8f_kinetics400-rgb \\
        --data-root /data/kinetics400
"""

import argparse
import sys
from typing import Any, Dict, List

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, init_dist, is_main_process

from ..analysis.reproduction import (
    UsableVideos,
    describe_difference,
    is_reproduced,
    list_usable,
)
from ..checkpoints.reading import download
from ..datasets.pipelines import find_dataset
from ..model_zoo import find_model, find_published
from ..runner import build_runner
from .arguments import (
    add_run_arguments,
    file_or_url,
    make_parser,
    one_line_errors,
    positive_int,
    read_run_config,
    require_weights,
)


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    add_run_arguments(parser, example='test_dataloader.num_workers=2')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        type=file_or_url,
        help='checkpoint, a file or a URL; named models and folders have '
        'their own',
    )
    parser.add_argument(
        '--dump', metavar='FILE.pkl', help='write all predictions to this file'
    )
    parser.add_argument(
        '--show-dir',
        metavar='FOLDER',
        help='write annotated videos to this folder, named after the videos',
    )
    parser.add_argument(
        '--wrong-only',
        action='store_true',
        help='write those videos only that are taken for another class',
    )
    parser.add_argument(
        '--interval',
        type=positive_int,
        default=1,
        help='samples from one annotated video to the next '
        '(default: %(default)s)',
    )
    # mmaction2's, for its windows.
    parser.add_argument('--show', action='store_true', help=argparse.SUPPRESS)
    parser.add_argument('--wait-time', type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


def load_config(args: argparse.Namespace) -> Config:
    """Read the config; the other arguments overrule it.

    Raises:
        ValueError: Arguments that do not fit the config or each other.
    """
    if args.dump and not args.dump.endswith(('.pkl', '.pickle')):
        raise ValueError(f'--dump writes .pkl files, got {args.dump}')
    if args.show or args.wait_time is not None:
        raise ValueError(
            '--show and --wait-time are for windows; annotated videos are '
            'written with --show-dir FOLDER'
        )
    if args.wrong_only and not args.show_dir:
        raise ValueError('--wrong-only needs --show-dir FOLDER')
    cfg = read_run_config(args)
    own = find_model(args.config).checkpoint
    cfg.load_from = require_weights(args.checkpoint or own, args.config)
    # A config that a resumed training has left behind.
    cfg.resume = False
    if args.dump:
        evaluators = cfg.test_evaluator
        if not isinstance(evaluators, (list, tuple)):
            evaluators = [evaluators]
        dump = dict(type='DumpResults', out_file_path=args.dump)
        cfg.test_evaluator = [*evaluators, dump]
    if args.show_dir:
        if 'default_hooks' not in cfg:
            cfg.default_hooks = dict()
        hook: Dict[str, Any] = dict(type='PredictionVideoHook')
        hook.update(cfg.default_hooks.get('visualization') or {})
        hook.update(
            enable=True,
            out_dir=args.show_dir,
            interval=args.interval,
            wrong_only=args.wrong_only,
        )
        cfg.default_hooks.visualization = hook
    return cfg


def find_usable(cfg: Config) -> UsableVideos:
    """Let a test do without the videos that cannot be read.

    Args:
        cfg (Config): Of `load_config`; its list becomes that of the others.

    Raises:
        OSError, ValueError: As `download` and `list_usable` do.
    """
    if cfg.launcher != 'none':
        init_dist(cfg.launcher, **cfg.env_cfg.dist_cfg)
    if '://' in cfg.load_from:
        # Looking at the videos may take minutes.
        download(cfg.load_from)
    outcome: List[Any] = [list_usable(cfg) if is_main_process() else None]
    broadcast_object_list(outcome)
    (videos,) = outcome
    find_dataset(cfg, 'test_dataloader').ann_file = videos.ann_file
    return videos


def main() -> None:
    args = parse_args()
    as_published = True
    with one_line_errors():
        cfg = load_config(args)
        published = find_published(args.config)
        if published is not None:
            videos = find_usable(cfg)
        metrics = build_runner(cfg, args.brief).test()
        # Of several processes, the first one that fails ends the others.
        if published is not None and is_main_process():
            top1 = 100 * metrics['acc/top1']
            print(describe_difference(published, top1, videos))
            as_published = is_reproduced(published, top1)
    # Left to the interpreter's exit, gloo's threads now and then abort.
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    if not as_published:
        sys.exit(1)
