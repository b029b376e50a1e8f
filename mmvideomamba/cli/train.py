"""Train a recognizer with mmaction2's runner.

Example:
    mmvideomamba train CONFIG.py --work-dir work_dirs/mine
"""

import argparse
import os.path as osp
from typing import Optional, Sequence

import torch
from mmengine.config import Config

from ..checks import require_choice
from ..model_folder import weights_in
from ..runner import (
    build_runner,
    require_base_batch_size,
    require_unused_work_dir,
)
from .arguments import (
    add_run_arguments,
    file_or_url,
    make_parser,
    one_line_errors,
    read_run_config,
)


def parse_args(
    arguments: Optional[Sequence[str]] = None,
) -> argparse.Namespace:
    parser = make_parser(__doc__)
    add_run_arguments(parser, example='train_cfg.max_epochs=10')
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        '--resume',
        nargs='?',
        type=auto_or_file,
        const='auto',
        metavar='CHECKPOINT',
        help='resume from this checkpoint, or from the last in the work '
        'folder',
    )
    start.add_argument(
        '--load-from',
        type=file_or_url,
        metavar='CHECKPOINT',
        help='start from these weights: a file, a URL or a model folder',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='bf16',
        choices=('bf16', 'fp16'),
        help='mixed precision: bf16, which is the default, on any device, or '
        'fp16 on a GPU',
    )
    parser.add_argument(
        '--no-validate', action='store_true', help='do not validate'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the total batch size',
    )
    parser.add_argument('--seed', type=int, help='seed of all randomness')
    parser.add_argument(
        '--diff-rank-seed',
        action='store_true',
        help='let every process draw its own random numbers',
    )
    parser.add_argument(
        '--deterministic',
        action='store_true',
        help='use deterministic algorithms only',
    )
    return parser.parse_args(arguments)


def auto_or_file(path: str) -> str:
    """The type of --resume."""
    return path if path == 'auto' else file_or_url(path)


def load_config(args: argparse.Namespace) -> Config:
    """Read the config; the other arguments overrule it.

    Raises:
        ValueError: Arguments that do not fit the config or each other.
    """
    cfg = read_run_config(args)
    if not cfg.get('train_dataloader'):
        raise ValueError(
            f'{args.config} can be tested, not trained: it has no '
            'train_dataloader. `mmvideomamba finetune VIDEOS --weights NAME` '
            'trains from public weights'
        )
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    elif args.load_from is not None:
        cfg.load_from = args.load_from
    path = cfg.get('load_from')
    if path and '://' not in path and not osp.isfile(weights_in(path)):
        raise ValueError(f'load_from: no such checkpoint: {path}')

    if args.amp:
        use_mixed_precision(cfg, args.amp)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.auto_scale_lr:
        require_base_batch_size(cfg.get('auto_scale_lr'))
        cfg.auto_scale_lr.enable = True

    randomness = dict(cfg.get('randomness') or dict(seed=None))
    if args.seed is not None:
        randomness['seed'] = args.seed
    if args.diff_rank_seed:
        randomness['diff_rank_seed'] = True
    if args.deterministic:
        randomness['deterministic'] = True
    cfg.randomness = randomness
    return cfg


def use_mixed_precision(cfg: Config, dtype: str) -> None:
    """Train under autocast: bf16 on CPUs and GPUs alike, fp16 on GPUs."""
    wrapper = cfg.optim_wrapper
    require_choice(
        'optim_wrapper.type for --amp',
        wrapper.get('type', 'OptimWrapper'),
        ('OptimWrapper', 'AmpOptimWrapper', 'BF16OptimWrapper'),
    )
    if dtype == 'fp16':
        if not torch.cuda.is_available():
            raise ValueError(
                '--amp fp16 needs a GPU, and torch finds none: on a CPU take '
                '--amp bf16'
            )
        wrapper.type = 'AmpOptimWrapper'
        wrapper.dtype = 'float16'
        wrapper.setdefault('loss_scale', 'dynamic')
        return
    wrapper.type = 'BF16OptimWrapper'
    # Of AmpOptimWrapper; bfloat16 needs no loss scaling.
    wrapper.pop('loss_scale', None)
    wrapper.pop('dtype', None)


def main() -> None:
    args = parse_args()
    with one_line_errors():
        runner = build_runner(load_config(args), args.brief)
        require_unused_work_dir(runner)
        runner.train()
    # Left to the interpreter's exit, gloo's threads now and then abort.
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
