"""Measure VideoMamba beside mmaction2's video models, in one run.

Examples:
    # The comparison: latency, training step, memory, parameters, GFLOPs.
    python tools/analysis_tools/benchmark_models.py

    # How time and memory grow with the clip.
    python tools/analysis_tools/benchmark_models.py --passes forward \\
        --models videomamba-s vit-s --frames 8 16 32 64 128

    # Training memory of longer clips, blocks kept or computed again.
    python tools/analysis_tools/benchmark_models.py --passes training \\
        --models videomamba-s videomamba-s-cp --frames 16 32 64 --rounds 2

    # How a model bears one other program, against none.
    python tools/analysis_tools/benchmark_models.py --models videomamba-s \\
        --frames 16 --busy 0 1 --rounds 11

    # On a GPU, in bfloat16 too, with clips in batches.
    python tools/analysis_tools/benchmark_models.py --device cuda \\
        --dtypes fp32 bf16 --batch-sizes 8 --out work_dirs/benchmark

Models are built without pretrained weights, the baselines from mmaction2's own
configs, and run as recognizers with their heads, each in a process of its own.
They run in rounds; times are medians over the rounds, ratios to the first
model are taken within each round, both with their interquartile range. bf16 is
autocast, as `--amp` has it. Progress, and what cannot run and why, goes to the
standard error.
"""

import argparse
import os
import sys
from pathlib import Path

# PyTorch's profiler, which sees the memory, otherwise logs every start.
os.environ.setdefault('KINETO_LOG_LEVEL', '99')

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
import torch
from benchmark_arguments import finish, make_benchmark_parser

from mmvideomamba.benchmark.benchmarked_models import BENCHMARKED_MODELS
from mmvideomamba.benchmark.figures import save_figures
from mmvideomamba.benchmark.model_workloads import (
    PASSES,
    Entry,
    measure_models,
)
from mmvideomamba.benchmark.record import describe_machine
from mmvideomamba.cli import one_line_errors, positive_int
from mmvideomamba.ops import choose_backend

COMPARED = (
    'videomamba-s',
    'swin-t',
    'vit-s',
    'vit-s-fused',
    'mvit-s',
    'timesformer',
)


def parse_args() -> argparse.Namespace:
    parser = make_benchmark_parser(
        __doc__, 'models', BENCHMARKED_MODELS, PASSES, ('fp32', 'bf16')
    )
    parser.set_defaults(
        models=list(COMPARED), dtypes=['fp32'], rounds=7, budget=60.0
    )
    parser.add_argument(
        '--frames',
        nargs='+',
        type=positive_int,
        metavar='T',
        help='frames of the clips, by default what each model is known for',
    )
    parser.add_argument(
        '--busy',
        nargs='+',
        type=int,
        default=[0],
        metavar='N',
        help='measure beside so many processes that keep a core busy each '
        '(default: 0)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='draw the results there: costs.{pdf,png}, cost against memory, '
        'and growth.{pdf,png} where a model ran at several numbers of frames',
    )
    args = parser.parse_args()
    if min(args.busy) < 0:
        parser.error(f'--busy must not be negative, got {min(args.busy)}')
    return args


@one_line_errors()
def main() -> None:
    args = parse_args()
    machine = dict(
        describe_machine(args.device),
        scan_backend=choose_backend('auto', torch.device(args.device)),
    )
    entries = [
        Entry(name, frames, dtype, busy)
        for dtype in args.dtypes
        for name in args.models
        for frames in args.frames or BENCHMARKED_MODELS[name].frames
        for busy in args.busy
    ]
    results = []
    for batch_size in args.batch_sizes:
        results += measure_models(
            entries,
            args.passes,
            batch_size,
            args.device,
            args.rounds,
            args.budget,
        )
    finish(args, dict(benchmark='models', machine=machine, results=results))
    if args.out:
        for path in save_figures(results, args.device, args.out):
            print(path, file=sys.stderr)


if __name__ == '__main__':
    main()
