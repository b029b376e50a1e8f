"""What the benchmarks print: a record as a Markdown table."""

from typing import List, Optional, Sequence

from ..tables import format_number, markdown_table
from .roofline import FMA_PER_EXP
from .scan_workloads import COMPARED_TO

COMMON_HEADER = ('', 'pass', 'dtype', 'batch', 'ms (IQR)')
HEADERS = dict(
    scan=(
        *('fastest', 'tokens', *(f'x {name}' for name in COMPARED_TO)),
        *('GB/s', 'Gexp/s', 'x roofline'),
    ),
    models=(
        *('clips/s', 'ratio (IQR)', 'memory (MB)', 'per clip', 'param (M)'),
        *('GFLOPs paper', 'complete'),
    ),
)
NOTES = dict(
    scan="""
ms: median and interquartile range of the rounds. x reference, x
mamba-ssm-twice: how many times faster in the same round. GB/s counts each
tensor read or written once, in percent of a large copy's rate. x roofline: the
time over that of the exps alone, one per token, channel, state, direction and
pass, """,
    models="""
ms: median and interquartile range of the rounds. Ratio: times the baseline's
time in the same round; the baseline is the first model. Memory: what tensors
take at the worst moment, above weights and clips; in training with gradients
and AdamW's moments; "per clip" without the moments. GFLOPs: 10^9 multiply-
accumulates for one clip, by the paper's protocol, which leaves out the inside
of the state space model, and complete. "Its matrix products alone" is the
roofline: tokenizer, in_proj, x_proj, dt_proj and out_proj, and nothing between
them.""",
)
EXP_RATES = dict(
    cpu=f'taken as {FMA_PER_EXP} FMAs of a float32 matrix product.',
    cuda='measured as a chain in registers.',
)


def format_record(record: dict) -> str:
    """A record, see `record.py`, as the benchmark prints it."""
    name, machine = record['benchmark'], record['machine']
    cells = dict(scan=scan_cells, models=model_cells)[name]
    rows, refused = [], []
    for row in record['results']:
        if row['error']:
            refused.append(f'- {row["name"]}, {row["pass"]}: {row["error"]}')
        else:
            rows.append([*common_cells(row), *cells(row)])
    note = NOTES[name]
    if name == 'scan':
        note += EXP_RATES[machine['device']]
    if refused:
        note += '\n\nCould not run:\n'
    table = markdown_table(COMMON_HEADER + HEADERS[name], rows)
    # A reason may hold for several data types.
    lines = describe(machine), '', table, note, *dict.fromkeys(refused)
    return '\n'.join(lines)


def describe(machine: dict) -> str:
    """What there is to say of a machine, in one line."""
    values = dict(machine)
    for name, rate in values.pop('roofline', {}).items():
        values[name] = rate and f'{rate / 1e9:.1f} G'
    return ', '.join(
        f'{name} {value}' for name, value in values.items() if value
    )


def common_cells(row: dict) -> List[str]:
    median, *iqr = (1e3 * t for t in (row['median'], *row['iqr']))
    time = with_spread(median, iqr, 1 if median >= 100 else 3)
    return [row['name'], row['pass'], row['dtype'], row['batch_size'], time]


def scan_cells(row: dict) -> List[str]:
    return [
        format_number(row['fastest'], 3, 1e-3),
        row['length'],
        *(speedup(row['ratios'].get(name)) for name in COMPARED_TO),
        f'{row["bytes_per_second"] / 1e9:.1f} ({row["bytes_share"]:.0%})',
        format_number(row['exps_per_second'], 1, 1e9),
        format_number(row['roofline_ratio'], 2),
    ]


def model_cells(row: dict) -> List[str]:
    (ratio,) = row['ratios'].values()
    return [
        format_number(row['clips_per_second'], 2),
        with_spread(ratio['median'], ratio['iqr']),
        format_number(row['memory'], 0, 1e6),
        format_number(row['memory_per_clip'], 0, 1e6),
        format_number(row['parameters'], 1, 1e6),
        format_number(row['paper_macs'], 1, 1e9),
        format_number(row['complete_macs'], 1, 1e9),
    ]


def speedup(ratio: Optional[dict]) -> str:
    """How many times faster, from how many times as long."""
    if ratio is None:
        return '-'
    high, low = (1 / value for value in ratio['iqr'])
    return with_spread(1 / ratio['median'], (low, high), 1)


def with_spread(value: float, iqr: Sequence[float], digits: int = 2) -> str:
    low, high = (format_number(end, digits) for end in iqr)
    return f'{format_number(value, digits)} ({low}-{high})'
