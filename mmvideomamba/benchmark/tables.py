"""What the benchmarks print: results as Markdown tables."""

from typing import List, Optional, Sequence, Tuple

from ..tables import markdown_table
from .roofline import FMA_PER_EXP
from .scan_workloads import COMPARED_TO

EXP_RATES = dict(
    cpu=f'taken as {FMA_PER_EXP} FMAs of a float32 matrix product',
    cuda='measured as a chain in registers',
)
SCAN_NOTE = """
ms: median, IQR: the interquartile range of the rounds. x reference, x
mamba-ssm-twice: how many times faster in the same round, median and IQR. GB/s
counts each tensor read or written once, in percent of a large copy's rate.
x roofline: the time over that of the exps alone, one per token, channel,
state, direction and pass,
{rate}."""
MODEL_NOTE = """
IQR: the interquartile range of the rounds. Ratio: times the baseline's time in
the same round; the baseline is the first row. Memory: what tensors take at the
worst moment, above weights and clips; in training with gradients and AdamW's
moments; "per clip" without the moments. GFLOPs: 10^9 multiply-accumulates for
one clip, by the paper's protocol, which leaves out the inside of the state
space model, and complete. "Its matrix products alone" is the roofline:
tokenizer, in_proj, x_proj, dt_proj and out_proj, and nothing between them."""


def describe(machine: dict) -> str:
    """What there is to say of a machine, in one line."""
    values = dict(machine)
    for name, rate in values.pop('roofline', {}).items():
        values[name] = rate and f'{rate / 1e9:.1f} G'
    return ', '.join(
        f'{name} {value}' for name, value in values.items() if value
    )


def scan_table(results: Sequence[dict]) -> str:
    """Results of the scan; those that could not run have no row."""
    header = (
        *('', 'pass', 'dtype', 'batch', 'tokens', 'ms', 'IQR', 'fastest'),
        *(f'x {name}' for name in COMPARED_TO),
        *('GB/s', 'Gexp/s', 'x roofline'),
    )
    rows = [
        (
            row['name'],
            row['pass'],
            row['dtype'],
            row['batch_size'],
            row['length'],
            scaled(row['median'], 1e-3, 2),
            interval(row['iqr'], 1e-3, 2),
            scaled(row['fastest'], 1e-3, 2),
            *(speedup(row['ratios'].get(name)) for name in COMPARED_TO),
            f'{row["bytes_per_second"] / 1e9:.1f} ({row["bytes_share"]:.0%})',
            scaled(row['exps_per_second'], 1e9, 1),
            scaled(row['roofline_ratio'], 1, 2),
        )
        for row in results
        if not row['error']
    ]
    return markdown_table(header, rows)


def model_table(results: Sequence[dict]) -> str:
    """Results of models in one pass; those that could not run have no row."""
    header = (
        *('', 'ms', 'IQR', 'clips/s', 'ratio', 'IQR'),
        *('memory (MB)', 'per clip', 'param (M)', 'GFLOPs paper', 'complete'),
    )
    rows = []
    for row in results:
        if row['error']:
            continue
        (ratio,) = row['ratios'].values()
        rows.append(
            (
                row['name'],
                scaled(row['median'], 1e-3, 1),
                interval(row['iqr'], 1e-3, 1),
                scaled(row['clips_per_second'], 1, 2),
                scaled(ratio['median'], 1, 2),
                interval(ratio['iqr'], 1, 2),
                scaled(row['memory'], 1e6, 0),
                scaled(row['memory_per_clip'], 1e6, 0),
                scaled(row['parameters'], 1e6, 1),
                scaled(row['paper_macs'], 1e9, 1),
                scaled(row['complete_macs'], 1e9, 1),
            )
        )
    return markdown_table(header, rows)


def refusals(results: Sequence[dict]) -> List[str]:
    """A line for each contender and pass that could not run."""
    return list(
        dict.fromkeys(
            f'{row["name"]}, {row["pass"]}: {row["error"]}'
            for row in results
            if row['error']
        )
    )


def scaled(value: Optional[float], unit: float, digits: int) -> str:
    """A number in units; '-' where there is none."""
    return '-' if value is None else f'{value / unit:.{digits}f}'


def interval(ends: Tuple[float, float], unit: float, digits: int) -> str:
    """Two numbers in units."""
    return '-'.join(scaled(value, unit, digits) for value in ends)


def speedup(ratio: Optional[dict]) -> str:
    """How many times faster, from how many times as long."""
    if ratio is None:
        return '-'
    low, high = (1 / value for value in reversed(ratio['iqr']))
    return f'{1 / ratio["median"]:.1f} ({low:.1f}-{high:.1f})'
