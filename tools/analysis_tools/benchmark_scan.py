"""Time the engines of the selective scan side by side, in one run.

Examples:
    python tools/analysis_tools/benchmark_scan.py
    python tools/analysis_tools/benchmark_scan.py --device cuda \\
        --lengths 1569 12545 --batch-sizes 1 64 --dtypes bfloat16

One call is what a block of VideoMamba-S computes: both directions, softplus
of delta, skip connection, gate. Engines take turns, so that a machine that
changes its pace changes it for all; a ratio is computed within each turn and
its spread is the middle half over the turns. Public implementations run beside
ours where they are installed: mamba-ssm's scan called once per direction with
flips, as models built on it do, mambapy (extra `bench`) and transformers.
"""

import argparse
import json
import statistics
import sys
from functools import partial
from typing import Callable, Dict, List, NamedTuple, Optional

import torch

from mmvideomamba.analysis.ceilings import FMA_PER_EXP, measure_ceilings
from mmvideomamba.analysis.scan_peers import PEERS, Peer
from mmvideomamba.analysis.table import markdown_table
from mmvideomamba.analysis.timing import middle_half, seconds, take_turns
from mmvideomamba.ops import kernels, selective_scan
from mmvideomamba.ops.interface import ENGINES

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


class Case(NamedTuple):
    dtype: torch.dtype
    batch: int
    length: int
    channels: int
    states: int
    device: str

    @property
    def exps(self) -> int:
        return 2 * self.batch * self.length * self.channels * self.states


def make_inputs(case: Case) -> dict:
    """What the mixer hands over: views of projections, directions K = 2."""
    torch.manual_seed(0)
    K, B, L, D, N = 2, case.batch, case.length, case.channels, case.states
    factory = dict(device=case.device, dtype=case.dtype)
    wide = dict(device=case.device)
    dt_rank = D // 32
    projected = torch.randn(K, B, L, dt_rank + 2 * N, **factory)
    _, in_B, in_C = projected.split([dt_rank, N, N], dim=-1)
    tokens = torch.arange(L, device=case.device)
    return dict(
        u=torch.randn(K, B, L, D, **factory),
        delta=torch.randn(K, B, L, D, **factory),
        A=-torch.arange(1.0, N + 1, **wide).expand(K, D, N).contiguous(),
        B=in_B,
        C=in_C,
        D=torch.ones(K, D, **wide),
        z=torch.randn(B, L, 2 * D, **factory).chunk(2, dim=-1)[1],
        delta_bias=torch.full((K, D), -4.0, **wide),
        order=torch.stack([tokens, tokens.flip(0)]),
    )


def candidates() -> Dict[str, Peer]:
    """Our engines by name, then the peers."""

    def bind(name: str) -> Peer:
        return Peer(
            lambda inputs: selective_scan(
                **inputs, delta_softplus=True, backend=name
            ),
            ENGINES[name].why_not,
        )

    return {**{name: bind(name) for name in ENGINES}, **PEERS}


def why_not(peer: Peer, device: str, backward: bool) -> Optional[str]:
    """Why a candidate sits out a pass on a device."""
    if backward and not peer.trainable:
        return 'a backward pass of minutes'
    return peer.why_not(device)


def make_pass(peer: Peer, inputs: dict, backward: bool) -> Callable:
    """A call without arguments that runs one pass."""
    arranged = peer.arrange(inputs)
    if not backward:

        def forward() -> None:
            with torch.no_grad():
                peer.scan(arranged)

        return forward

    leaves = {
        name: t.detach().requires_grad_(t.is_floating_point())
        for name, t in arranged.items()
    }
    wanted = [t for t in leaves.values() if t.requires_grad]
    with torch.no_grad():
        weights = torch.ones_like(peer.scan(arranged))

    def forward_backward() -> None:
        torch.autograd.grad(peer.scan(leaves), wanted, weights)

    return forward_backward


def bytes_moved(inputs: dict, backward: bool) -> int:
    """Each tensor once: inputs and output; the same and gradients."""
    out = inputs['u'][0].nbytes
    data = sum(inputs[name].nbytes for name in ('u', 'delta', 'B', 'C', 'z'))
    return 3 * data + 2 * out if backward else data + out


def measure(case: Case, names: List[str], args, limits: dict) -> List[dict]:
    inputs = make_inputs(case)
    table = candidates()
    results = []
    for what in args.passes:
        backward = what != 'forward'
        calls = {}
        for name in names:
            reason = why_not(table[name], case.device, backward)
            if reason is None:
                call = make_pass(table[name], inputs, backward)
                call()
                calls[name] = partial(seconds, call, case.device)
            else:
                print(f'{name}, {what}: {reason}', file=sys.stderr)
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
                rows += measure(case, args.engines, args, limits)
    machine = dict(
        device=args.device,
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        **limits,
    )
    if args.device == 'cuda':
        machine['name'] = torch.cuda.get_device_name()
    elif ENGINES['cpu'].why_not('cpu') is None:
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
