"""Measure VideoMamba beside mmaction2's video models, in one run.

Examples:
    # The comparison: latency, training step, memory, parameters, GFLOPs.
    python tools/analysis_tools/benchmark_models.py

    # How time and memory grow with the clip.
    python tools/analysis_tools/benchmark_models.py --passes forward \\
        --models videomamba-s vit-s --frames 8 16 32 64 128

    # Training memory of longer clips, blocks kept or computed again.
    python tools/analysis_tools/benchmark_models.py --passes training \\
        --models videomamba-s videomamba-s-cp --frames 16 32 64 --repeats 2

    # On a GPU, in bfloat16 too, with clips in batches.
    python tools/analysis_tools/benchmark_models.py --device cuda \\
        --precision fp32 bf16 --batch-size 8 --out work_dirs/benchmark

Models are built without pretrained weights, the peers from mmaction2's own
configs, and run as recognizers with their heads, each in a process of its own.
They take turns; times are medians over the turns, ratios are taken within each
turn, both with their middle half. With `--out` the figures are drawn and the
results kept: cost against memory, and growth where a model ran at several
numbers of frames. Progress goes to the standard error.
"""

import argparse
import json
import os
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Dict, List, Optional

# PyTorch's profiler, which sees the memory, otherwise logs every start.
os.environ.setdefault('KINETO_LOG_LEVEL', '99')

import torch

from mmvideomamba.analysis.paper_tables import TABLES
from mmvideomamba.analysis.table import markdown_table
from mmvideomamba.benchmark.models import PASSES, Entry, measure
from mmvideomamba.benchmark.video_models import FAMILIES, PRECISIONS
from mmvideomamba.ops import choose_backend
from mmvideomamba.visualization import draw_costs, draw_growth, save_figure

COMPARED = (
    'videomamba-s',
    'swin-t',
    'vit-s',
    'vit-s-fused',
    'mvit-s',
    'timesformer',
)
NOTE = """
Ratio: times the baseline's time in the same turn. Memory: what tensors take
at the worst moment, above weights and clips; in training with gradients and
AdamW's moments; "per clip" without the moments. GFLOPs: 10^9 multiply-
accumulates for one clip, by the paper's protocol, which leaves out the inside
of the state space model, and complete. "Its matrix products alone" is the
floor: tokenizer, in_proj, x_proj, dt_proj and out_proj, and nothing between
them."""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--models',
        nargs='+',
        choices=FAMILIES,
        default=COMPARED,
        metavar='NAME',
        help=f'of {", ".join(FAMILIES)}; the first is the baseline',
    )
    parser.add_argument(
        '--frames',
        nargs='+',
        type=int,
        metavar='T',
        help='frames of the clips, by default what each model is known for',
    )
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument(
        '--precision',
        nargs='+',
        choices=PRECISIONS,
        default=['fp32'],
        help='bf16 is autocast, as --amp has it (default: fp32)',
    )
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument(
        '--passes', nargs='+', choices=PASSES, default=PASSES, metavar='PASS'
    )
    parser.add_argument(
        '--repeats', type=int, default=7, help='turns (default: 7)'
    )
    parser.add_argument(
        '--budget',
        type=float,
        default=60.0,
        metavar='SECONDS',
        help='a model rests, in each pass, when its turns together took this '
        'long, after two at least (default: 60)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='folder for costs.{pdf,png}, growth.{pdf,png} and results.json',
    )
    parser.add_argument(
        '--json', action='store_true', help='print JSON instead of tables'
    )
    args = parser.parse_args()
    numbers = (args.repeats, args.batch_size, *(args.frames or ()))
    if min(numbers) < 1:
        parser.error('--repeats, --batch-size and --frames start at 1')
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda: torch finds no CUDA device here')
    return args


def main() -> None:
    args = parse_args()
    entries = [
        Entry(family, frames, precision)
        for precision in args.precision
        for family in args.models
        for frames in args.frames or FAMILIES[family].frames
    ]
    machine = describe_machine(args.device)
    start = time.monotonic()
    try:
        rows = measure(
            entries,
            args.passes,
            args.batch_size,
            args.device,
            args.repeats,
            args.budget,
            lambda text: print(
                f'{time.monotonic() - start:5.0f} s  {text}',
                file=sys.stderr,
                flush=True,
            ),
        )
    except FileNotFoundError as error:
        sys.exit(f'error: {error}')
    except BrokenProcessPool:
        sys.exit(
            "error: a model's process was ended, as the system does when "
            'memory runs out; compare fewer --models or --frames at once'
        )
    record = json.dumps(
        dict(machine=machine, batch_size=args.batch_size, results=rows),
        indent=2,
    )
    if args.json:
        print(record)
    else:
        print_tables(rows, machine, args)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / 'results.json').write_text(record + '\n')
        for path in draw(rows, args):
            print(path, file=sys.stderr)


def print_tables(
    rows: List[dict], machine: dict, args: argparse.Namespace
) -> None:
    print(', '.join(f'{k} {v}' for k, v in machine.items()))
    print(f'batch size {args.batch_size}')
    for name in args.passes:
        print(f'\n{name}\n\n{format_table(rows, name)}')
    print(NOTE)
    for row in rows:
        if row['error']:
            print(f'{row["name"]} could not run: {row["error"]}')


def describe_machine(device: str) -> dict:
    """What a reader must know to place the figures."""
    if device == 'cuda':
        chip = dict(gpu=torch.cuda.get_device_name())
    else:
        chip = dict(
            cpu=torch.backends.cpu.get_cpu_capability(),
            threads=torch.get_num_threads(),
        )
    return dict(
        device=device,
        **chip,
        torch=torch.__version__,
        scan=choose_backend('auto', torch.device(device)),
    )


def format_table(rows: List[dict], name: str) -> str:
    """One pass as a Markdown table."""
    header = ('', 'ms', 'middle half', 'clips/s', 'ratio', 'middle half')
    header += ('memory (MB)', 'per clip', 'param (M)')
    header += ('GFLOPs paper', 'complete')
    return markdown_table(
        header, [format_row(row, row[name]) for row in rows if row[name]]
    )


def format_row(row: dict, cost: dict) -> List[str]:
    return [
        row['name'],
        f'{1e3 * cost["median"]:.1f}',
        '-'.join(f'{1e3 * value:.1f}' for value in cost['spread']),
        f'{cost["clips_per_second"]:.2f}',
        f'{cost["ratio"]:.2f}',
        '-'.join(f'{value:.2f}' for value in cost['ratio_spread']),
        scaled(cost['memory'], 1e6, 0),
        scaled(cost['memory_per_clip'], 1e6, 0),
        scaled(row['parameters'], 1e6, 1),
        scaled(row['paper_macs'], 1e9, 1),
        scaled(row['complete_macs'], 1e9, 1),
    ]


def scaled(value: Optional[float], unit: float, digits: int) -> str:
    return '-' if value is None else f'{value / unit:.{digits}f}'


def draw(rows: List[dict], args: argparse.Namespace) -> List[Path]:
    """Figures of the forward pass if it was measured, else of training."""
    name = 'forward' if 'forward' in args.passes else 'training'
    rows = [row for row in rows if row['parameters'] and row[name]]
    what = dict(forward='forward pass', training='training step')[name]
    label = f'{what} (ms), {args.device}, batch of {args.batch_size}'
    paths: List[Path] = []
    if rows:
        models = [
            dict(
                name=row['name'],
                group=FAMILIES[row['family']].title,
                time=1e3 * row[name]['median'],
                memory=row[name]['memory'] / 1e6,
                parameters=row['parameters'],
                published=published_accuracy(row),
            )
            for row in rows
        ]
        note = '* top-1 on Kinetics-400 as published, not measured here'
        if not any(model['published'] for model in models):
            note = None
        figure = draw_costs(models, label, note)
        paths += save_figure(figure, args.out / 'costs')
    curves: Dict[str, list] = {}
    for row in rows:
        title = row['name'].replace(f' {row["frames"]}f', '')
        curves.setdefault(title, []).append(
            (
                row['frames'],
                1e3 * row[name]['median'],
                row[name]['memory'] / 1e6,
            )
        )
    curves = {title: c for title, c in curves.items() if len(c) > 1}
    if curves:
        figure = draw_growth(curves, label)
        paths += save_figure(figure, args.out / 'growth')
    return paths


def published_accuracy(row: dict) -> Optional[float]:
    """Top-1 on Kinetics-400 from the paper's table 9, in percent."""
    for (method, _, frames, *_), results in TABLES[9].rows:
        wanted = FAMILIES[row['family']].table, str(row['frames'])
        if (method, frames) == wanted:
            return results[0].published
    return None


if __name__ == '__main__':
    main()
