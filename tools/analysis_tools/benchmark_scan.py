"""Time the engines of the selective scan side by side, in one run.

Examples:
    python tools/analysis_tools/benchmark_scan.py
    python tools/analysis_tools/benchmark_scan.py --device cuda \\
        --lengths 1569 12545 --batch-sizes 1 64 --dtypes bfloat16

One call is what a block of VideoMamba-S computes: both directions, softplus
of delta, skip connection, gate. Engines take turns, so that a machine that
changes its pace changes it for all; a ratio is computed within each turn and
its spread is the middle half over the turns. Two public implementations run
beside ours where they are installed (mambapy with the extra `bench`); each
takes one direction at a time, which is its interface.
"""

import argparse
import json
import statistics
import sys
import time
from typing import Callable, Dict, List, NamedTuple, Optional

import torch
from torch import Tensor

BASELINE = 'reference'
PASSES = ('forward', 'forward+backward')
# Vector instructions (CUDA: issue slots of the special function unit, in
# units of one FMA) that one exp takes, for the ceiling of exps per second.
FMA_PER_EXP = dict(cpu=10, cuda=8)
NOTE = """
Ratio: how many times faster than the reference, median and middle half of the
turns. GB/s counts each tensor read or written once, in percent of a large
copy's rate; Gexp/s one exp per token, channel, state, direction and pass, in
percent of what the float32 FMA rate of a matrix product would allow if an exp
took {fma} of them and there was nothing else to do."""


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


def engines() -> Dict[str, Callable]:
    """Our engines by name, then the peers that are installed."""
    from mmvideomamba.ops import selective_scan
    from mmvideomamba.ops.interface import ENGINES

    def bind(name: str) -> Callable:
        return lambda inputs: selective_scan(
            **inputs, delta_softplus=True, backend=name
        )

    table = {name: bind(name) for name in ENGINES}
    for name, one_direction in (
        ('mambapy', mambapy_scan),
        ('transformers', transformers_scan),
    ):
        table[name] = per_direction(one_direction)
    return table


def why_not(name: str, device: str, backward: bool) -> Optional[str]:
    """Why an engine or a peer sits out a pass on a device."""
    from mmvideomamba.ops.interface import ENGINES

    if name in ENGINES:
        return ENGINES[name].why_not(device)
    try:
        if name == 'mambapy':
            import mambapy.pscan  # noqa: F401
        else:
            from transformers.models.mamba.modeling_mamba import (  # noqa: F401
                mamba_selective_scan,
            )
    except ImportError as error:
        return f'{error}; pip install {name}'
    if name == 'transformers' and backward:
        return 'indexes each step: a backward pass of minutes, O(L^2) memory'
    return None


def per_direction(scan: Callable) -> Callable:
    """Serve K directions with a scan that knows one: reorder, sum, gate."""

    def run(inputs: dict) -> Tensor:
        out = 0
        for k, walk in enumerate(inputs['order']):
            u, delta, B, C = (
                inputs[name][k].index_select(1, walk)
                for name in ('u', 'delta', 'B', 'C')
            )
            delta = torch.nn.functional.softplus(
                delta.float() + inputs['delta_bias'][k]
            )
            y = scan(u, delta, inputs['A'][k], B, C, inputs['D'][k])
            out = out + y.index_select(1, walk.argsort())
        return out * torch.nn.functional.silu(inputs['z'])

    return run


def mambapy_scan(u, delta, A, B, C, D) -> Tensor:
    """The parallel scan of mamba.py, over materialised decays."""
    from mambapy.pscan import pscan

    decay = torch.exp(delta.unsqueeze(-1) * A)
    drive = (delta * u).unsqueeze(-1) * B.unsqueeze(2)
    states = pscan(decay, drive)
    return (states @ C.float().unsqueeze(-1)).squeeze(-1) + D * u


def transformers_scan(u, delta, A, B, C, D) -> Tensor:
    """The path without kernels of Hugging Face's Mamba."""
    from transformers.models.mamba.modeling_mamba import mamba_selective_scan

    u, delta, B, C = (t.float().transpose(1, 2) for t in (u, delta, B, C))
    return mamba_selective_scan(u, delta, A, B, C, D).transpose(1, 2)


def make_pass(run: Callable, inputs: dict, backward: bool) -> Callable:
    """A call without arguments that runs one pass."""
    if not backward:

        def forward() -> None:
            with torch.no_grad():
                run(inputs)

        return forward

    leaves = {
        name: t.detach().requires_grad_()
        for name, t in inputs.items()
        if t.is_floating_point()
    }
    leaves['order'] = inputs['order']
    wanted = [t for t in leaves.values() if t.requires_grad]
    weights = torch.ones_like(inputs['u'][0])

    def forward_backward() -> None:
        out = run(leaves)
        torch.autograd.grad(out, wanted, weights.to(out.dtype))

    return forward_backward


def seconds(call: Callable, device: str) -> float:
    if device == 'cuda':
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1e3
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def take_turns(
    calls: Dict[str, Callable], device: str, turns: int, budget: float
) -> Dict[str, List[float]]:
    """Time each call once a turn, until the turns or the budget are over.

    A call whose turns cost more than `budget` seconds together rests for the
    remaining ones, but takes two at least.
    """
    for call in calls.values():
        call()
    times = {name: [] for name in calls}
    for turn in range(turns):
        for name, call in calls.items():
            if turn < 2 or sum(times[name]) < budget:
                times[name].append(seconds(call, device))
    return times


def ceilings(device: str) -> Dict[str, float]:
    """Bytes per second of a copy, FMAs per second of a matrix product."""
    source = torch.ones(2**26, device=device)
    target = torch.empty_like(source)
    square = torch.rand(2048, 2048, device=device)
    calls = dict(
        copy=lambda: target.copy_(source), fma=lambda: torch.mm(square, square)
    )
    times = take_turns(calls, device, turns=7, budget=5)
    return dict(
        bytes_per_second=2 * source.nbytes / min(times['copy']),
        fma_per_second=2048**3 / min(times['fma']),
    )


def bytes_moved(inputs: dict, backward: bool) -> int:
    """Each tensor once: inputs and output; the same and gradients."""
    out = inputs['u'][0].nbytes
    data = sum(inputs[name].nbytes for name in ('u', 'delta', 'B', 'C', 'z'))
    return 3 * data + 2 * out if backward else data + out


def measure(case: Case, names: List[str], args, limits: dict) -> List[dict]:
    inputs = make_inputs(case)
    table = engines()
    results = []
    for what in args.passes:
        backward = what != 'forward'
        calls = {}
        for name in names:
            reason = why_not(name, case.device, backward)
            if reason is None:
                calls[name] = make_pass(table[name], inputs, backward)
            else:
                print(f'{name}, {what}: {reason}', file=sys.stderr)
        times = take_turns(calls, case.device, args.turns, args.budget)
        exps = case.exps * (2 if backward else 1)
        exps_limit = limits['fma_per_second'] / FMA_PER_EXP[case.device]
        for name, values in times.items():
            median = statistics.median(values)
            ratios = [
                base / value
                for base, value in zip(times.get(BASELINE, []), values)
            ]
            moved = bytes_moved(inputs, backward) / median
            results.append(
                dict(
                    engine=name,
                    work=what,
                    **dict(case._asdict(), dtype=str(case.dtype)[6:]),
                    milliseconds=1e3 * median,
                    fastest_milliseconds=1e3 * min(values),
                    turns=len(values),
                    ratio=statistics.median(ratios) if ratios else None,
                    ratio_spread=middle_half(ratios),
                    bytes_per_second=moved,
                    bytes_share=moved / limits['bytes_per_second'],
                    exps_per_second=exps / median,
                    exps_share=exps / median / exps_limit,
                )
            )
    return results


def middle_half(values: List[float]) -> Optional[List[float]]:
    if len(values) < 2:
        return None
    low, _, high = statistics.quantiles(values, n=4, method='inclusive')
    return [low, high]


def format_row(row: dict) -> List[str]:
    ratio = '-'
    if row['ratio'] is not None:
        low, high = row['ratio_spread'] or (row['ratio'], row['ratio'])
        ratio = f'{row["ratio"]:.1f} ({low:.1f}-{high:.1f})'
    return [
        row['engine'],
        row['work'],
        row['dtype'],
        str(row['batch']),
        str(row['length']),
        f'{row["milliseconds"]:.2f}',
        f'{row["fastest_milliseconds"]:.2f}',
        ratio,
        f'{row["bytes_per_second"] / 1e9:.1f} ({row["bytes_share"]:.0%})',
        f'{row["exps_per_second"] / 1e9:.1f} ({row["exps_share"]:.0%})',
    ]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = list(engines())
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
    from mmvideomamba.analysis.table import markdown_table
    from mmvideomamba.ops import cpu

    limits = ceilings(args.device)
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
    elif cpu.why_not('cpu') is None:
        machine['instruction_set'] = cpu.instruction_set()
    if args.json:
        print(json.dumps(dict(machine=machine, results=rows), indent=2))
        return
    print(', '.join(f'{k} {format_value(v)}' for k, v in machine.items()))
    header = (
        *('engine', 'work', 'dtype', 'B', 'L', 'ms', 'fastest', 'ratio'),
        *('GB/s', 'Gexp/s'),
    )
    print(markdown_table(header, [format_row(row) for row in rows]))
    print(NOTE.format(fma=FMA_PER_EXP[args.device]))


def format_value(value) -> str:
    return f'{value / 1e9:.1f} G' if isinstance(value, float) else str(value)


if __name__ == '__main__':
    main()
