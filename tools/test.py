"""Test a checkpoint with mmaction2's runner.

Example:
    python tools/test.py CONFIG.py CHECKPOINT.pth --dump scores.pkl
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
    parser.add_argument('checkpoint', help='checkpoint, a file or a URL')
    parser.add_argument(
        '--work-dir',
        help='folder of the logs, by default work_dirs/NAME_OF_CONFIG',
    )
    parser.add_argument(
        '--dump', metavar='FILE.pkl', help='write all predictions to this file'
    )
    parser.add_argument(
        '--show-dir',
        metavar='FOLDER',
        help='write annotated videos to this folder',
    )
    parser.add_argument(
        '--show',
        action='store_true',
        help='show samples in a window, if the visualization hook can',
    )
    parser.add_argument(
        '--interval',
        type=int,
        default=1,
        help='samples from one visualized sample to the next',
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2,
        help='seconds for which a window shows a sample',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, for example '
        'test_dataloader.num_workers=2',
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
    if '://' not in args.checkpoint and not osp.isfile(args.checkpoint):
        raise ValueError(f'no such checkpoint: {args.checkpoint}')
    if args.dump and not args.dump.endswith(('.pkl', '.pickle')):
        raise ValueError(f'--dump writes .pkl files, got {args.dump}')

    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    cfg.load_from = args.checkpoint
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('work_dirs', name)

    if args.dump:
        evaluators = cfg.test_evaluator
        if not isinstance(evaluators, (list, tuple)):
            evaluators = [evaluators]
        dump = dict(type='DumpResults', out_file_path=args.dump)
        cfg.test_evaluator = [*evaluators, dump]
    if args.show or args.show_dir:
        hooks = cfg.setdefault('default_hooks', {})
        hooks.setdefault('visualization', dict(type='PredictionVideoHook'))
        hooks.visualization.update(
            enable=True,
            show=args.show,
            wait_time=args.wait_time,
            out_dir=args.show_dir,
            interval=args.interval,
        )
    return cfg


def main() -> None:
    parser = make_parser()
    args = parser.parse_args()
    try:
        cfg = load_config(args)
    except ValueError as error:
        parser.error(str(error))
    Runner.from_cfg(cfg).test()
    # Left to the interpreter's exit, gloo's threads now and then abort.
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == '__main__':
    main()
