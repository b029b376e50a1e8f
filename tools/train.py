"""Train a recognizer with mmaction2's runner.

Example:
    python tools/train.py CONFIG.py --work-dir work_dirs/mine
"""

import argparse
import os.path as osp

import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

import mmvideomamba  # noqa: F401  (repairs the host, registers the model)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help='folder of logs and checkpoints, by default '
        'work_dirs/NAME_OF_CONFIG',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from this checkpoint, or from the last in the work folder',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision in bfloat16, on any device',
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
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, for example '
        'train_cfg.max_epochs=10',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what has started the processes of a distributed run',
    )
    # torch.distributed.launch passes it; the runner reads LOCAL_RANK.
    parser.add_argument(
        '--local-rank', '--local_rank', type=int, help=argparse.SUPPRESS
    )
    return parser


def load_config(args: argparse.Namespace) -> Config:
    """Read the config; the other arguments overrule it.

    Raises:
        ValueError: Arguments that do not fit the config or each other.
    """
    if not osp.isfile(args.config):
        raise ValueError(f'no such config: {args.config}')
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('work_dirs', name)

    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    path = cfg.get('load_from')
    if path is not None and '://' not in path and not osp.isfile(path):
        raise ValueError(f'no such checkpoint: {path}')

    if args.amp:
        use_bfloat16(cfg)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError(
                '--auto-scale-lr needs auto_scale_lr.base_batch_size in '
                f'{args.config}'
            )
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


def use_bfloat16(cfg: Config) -> None:
    """Train under bfloat16 autocast, which runs on CPUs and GPUs alike."""
    wrapper = cfg.optim_wrapper
    kind = wrapper.get('type', 'OptimWrapper')
    known = ('OptimWrapper', 'AmpOptimWrapper', 'BF16OptimWrapper')
    if kind not in known:
        raise ValueError(
            f'--amp works with an optim_wrapper of {known}, got {kind!r}'
        )
    wrapper.type = 'BF16OptimWrapper'
    # Of AmpOptimWrapper; bfloat16 needs no loss scaling.
    wrapper.pop('loss_scale', None)
    wrapper.pop('dtype', None)


def main() -> None:
    parser = make_parser()
    args = parser.parse_args()
    try:
        cfg = load_config(args)
    except ValueError as error:
        parser.error(str(error))
    Runner.from_cfg(cfg).train()
    # Left to the interpreter's exit, gloo's threads now and then abort.
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == '__main__':
    main()
