"""Time the engines of the selective scan side by side, in one run.

Examples:
    python tools/analysis_tools/benchmark_scan.py
    python tools/analysis_tools/benchmark_scan.py --device cuda \\
        --lengths 1569 12545 --batch-sizes 1 64 --dtypes bfloat16

One call is what a block of VideoMamba-S computes: both directions, softplus
of delta, skip connection, gate. Engines take turns, so that a machine that
changes its pace changes it for all, on a CPU each in a process of its own; a
ratio is computed within each turn and its spread is the middle half over the
turns. Public implementations run beside ours where they are installed:
mamba-ssm's scan called once per direction with flips, as models built on it
do, mambapy (extra `bench`) and transformers.
"""

import argparse
import json
import statistics
import sys
from contextlib import ExitStack
from functools import partial
from typing import Dict, List, Optional

import torch

from mmvideomamba.analysis.table import markdown_table
from mmvideomamba.benchmark.isolated_process import OwnProcess
from mmvideomamba.benchmark.roofline import FMA_PER_EXP, measure_ceilings
from mmvideomamba.benchmark.scan_passes import (
    Case,
    candidates,
    make_inputs,
    make_pass,
    prepare_pass,
    time_pass,
    why_not,
)
from mmvideomamba.benchmark.timing import middle_half, seconds, take_turns
from mmvideomamba.ops.api import BACKENDS
from mmvideomamba.ops.cpu import binding as kernels

BASELINES = ('reference', 'mamba-ssm-twice')
PASSES = ('forward', 'forward+backward')
RATES = dict(
    cpu=f'taken as {FMA_PER_EXP} FMAs of a float32 matrix product',
    cuda='measured as a chain in registers',
)
NOTE = """
x reference, x mamba-ssm-twice: how many times faster, median and middle half
of the turns. GB/s counts each tensor read or written once, in percent of a
large copy's rate. x floor: the time over that of the exps alone, one per
token, channel, state, direction and pass,
{rate}."""


def bytes_moved(inputs: dict, backward: bool) -> int:
    """Each tensor once: inputs and output; the same and gradients."""
    out = inputs['u'][0].nbytes
    data = sum(inputs[name].nbytes for name in ('u', 'delta', 'B', 'C', 'z'))
    return 3 * data + 2 * out if backward else data + out


def measure(
    case: Case, processes: Dict[str, OwnProcess], args, limits: dict
) -> List[dict]:
    inputs = make_inputs(case)
    table = candidates()
    results = []
    for what in args.passes:
        backward = what != 'forward'
        calls = {}
        for name in args.engines:
            reason = why_not(table[name], case.device, backward)
            if reason is not None:
                print(f'{name}, {what}: {reason}', file=sys.stderr)
            elif name in processes:
                processes[name].ask(prepare_pass, name, case, backward)
                calls[name] = partial(processes[name].ask, time_pass)
            else:
                call = make_pass(table[name], inputs, backward)
                call()
                calls[name] = partial(seconds, call, case.device)
        times = take_turns(calls, args.turns, args.budget)
        exps = case.exps * (2 if backward else 1)
        floor = None
        if limits['exps_per_second']:
            floor = exps / limits['exps_per_second']
        for name, values in times.items():
            median = statistics.median(values)
            moved = bytes_moved(inputs, backward) / median
            results.append(
                dict(
                    engine=name,
                    work=what,
                    **dict(case._asdict(), dtype=str(case.dtype)[6:]),
                    milliseconds=1e3 * median,
                    fastest_milliseconds=1e3 * min(values),
                    turns=len(values),
                    speedups={
                        baseline: speedup(times.get(baseline), values)
                        for baseline in BASELINES
                    },
                    bytes_per_second=moved,
                    bytes_share=moved / limits['bytes_per_second'],
                    exps_per_second=exps / median,
                    times_floor=median / floor if floor else None,
                )
            )
    return results


def speedup(
    baseline: Optional[List[float]], values: List[float]
) -> Optional[dict]:
    """How many times faster than a baseline, turn by turn."""
    if baseline is None:
        return None
    ratios = [base / value for base, value in zip(baseline, values)]
    return dict(
        median=statistics.median(ratios), middle_half=middle_half(ratios)
    )


def format_row(row: dict) -> List[str]:
    floor = row['times_floor']
    return [
        row['engine'],
        row['work'],
        row['dtype'],
        str(row['batch']),
        str(row['length']),
        f'{row["milliseconds"]:.2f}',
        f'{row["fastest_milliseconds"]:.2f}',
        *(format_speedup(row['speedups'][name]) for name in BASELINES),
        f'{row["bytes_per_second"] / 1e9:.1f} ({row["bytes_share"]:.0%})',
        f'{row["exps_per_second"] / 1e9:.1f}',
        '-' if floor is None else f'{floor:.2f}',
    ]


def format_speedup(value: Optional[dict]) -> str:
    if value is None:
        return '-'
    low, high = value['middle_half']
    return f'{value["median"]:.1f} ({low:.1f}-{high:.1f})'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = list(candidates())
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument(
        '--engines', nargs='+', choices=names, default=names, metavar='NAME'
    )
    parser.add_argument(
        '--passes', nargs='+', choices=PASSES, default=list(PASSES)
    )
    parser.add_argument(
        '--dtypes',
        nargs='+',
        choices=('float32', 'bfloat16', 'float16'),
        default=['float32', 'bfloat16'],
    )
    parser.add_argument(
        '--lengths',
        nargs='+',
        type=int,
        default=[1569],
        help='tokens; 16 frames of 224 x 224 make 1569',
    )
    parser.add_argument('--batch-sizes', nargs='+', type=int, default=[1])
    parser.add_argument('--channels', type=int, default=768)
    parser.add_argument('--states', type=int, default=16)
    parser.add_argument(
        '--turns', type=int, default=15, help='timings of each engine'
    )
    parser.add_argument(
        '--budget',
        type=float,
        default=5.0,
        help='seconds after which a slow engine rests, per table row',
    )
    parser.add_argument(
        '--json', action='store_true', help='print JSON instead of a table'
    )
    args = parser.parse_args()
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda: torch finds no CUDA device here')
    if min(args.turns, *args.lengths, *args.batch_sizes) < 1:
        parser.error('--turns, --lengths and --batch-sizes start at 1')
    return args


def main() -> None:
    args = parse_args()
    limits = measure_ceilings(args.device)
    rows = []
    with ExitStack() as stack:
        processes = {}
        if args.device == 'cpu':
            table = candidates()
            processes = {
                name: OwnProcess(stack)
                for name in args.engines
                if table[name].why_not('cpu') is None
            }
        for dtype in args.dtypes:
            for batch in args.batch_sizes:
                for length in args.lengths:
                    case = Case(
                        getattr(torch, dtype),
                        batch,
                        length,
                        args.channels,
                        args.states,
                        args.device,
                    )
                    rows += measure(case, processes, args, limits)
    machine = dict(
        device=args.device,
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        **limits,
    )
    if args.device == 'cuda':
        machine['name'] = torch.cuda.get_device_name()
    elif BACKENDS['cpu'].why_not('cpu') is None:
        machine['instruction_set'] = kernels.instruction_set()
    if args.json:
        print(json.dumps(dict(machine=machine, results=rows), indent=2))
        return
    print(', '.join(f'{k} {format_value(v)}' for k, v in machine.items()))
    header = (
        *('engine', 'work', 'dtype', 'B', 'L', 'ms', 'fastest'),
        *(f'x {name}' for name in BASELINES),
        *('GB/s', 'Gexp/s', 'x floor'),
    )
    print(markdown_table(header, [format_row(row) for row in rows]))
    print(NOTE.format(rate=RATES[args.device]))


def format_value(value) -> str:
    return f'{value / 1e9:.1f} G' if isinstance(value, float) else str(value)


if __name__ == '__main__':
    main()
