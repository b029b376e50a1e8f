"""Test a checkpoint with mmaction2's runner.

Example:
    python tools/test.py CONFIG.py CHECKPOINT.pth --dump scores.pkl
"""

import argparse

import torch
from mmengine.config import Config

from mmvideomamba.cli import (
    add_checkpoint,
    add_run_arguments,
    make_parser,
    one_line_errors,
    positive_int,
    read_run_config,
)
from mmvideomamba.runner import build_runner


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    add_run_arguments(parser, example='test_dataloader.num_workers=2')
    add_checkpoint(parser)
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
    cfg.load_from = args.checkpoint
    if args.dump:
        evaluators = cfg.test_evaluator
        if not isinstance(evaluators, (list, tuple)):
            evaluators = [evaluators]
        dump = dict(type='DumpResults', out_file_path=args.dump)
        cfg.test_evaluator = [*evaluators, dump]
    if args.show_dir:
        if 'default_hooks' not in cfg:
            cfg.default_hooks = dict()
        hook = dict(type='PredictionVideoHook')
        hook.update(cfg.default_hooks.get('visualization') or {})
        hook.update(
            enable=True,
            out_dir=args.show_dir,
            interval=args.interval,
            wrong_only=args.wrong_only,
        )
        cfg.default_hooks.visualization = hook
    return cfg


def main() -> None:
    args = parse_args()
    with one_line_errors():
        runner = build_runner(load_config(args), args.brief)
        runner.test()
    # Left to the interpreter's exit, gloo's threads now and then abort.
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == '__main__':
    main()
