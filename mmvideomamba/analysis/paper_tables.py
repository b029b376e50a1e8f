"""Tables 2 to 9 of the paper: what it prints, and which config makes it.

Accuracies are in percent and the paper's, also those of other models. A
result that this project has a config for carries its name.
"""

from typing import Dict, NamedTuple, Optional, Sequence, Tuple

from .table import markdown_table

SMALL = 'videomamba-small-p16'
TINY = 'videomamba-tiny-p16'
K400 = '16x2x1-30e_kinetics400-rgb'
SSV2 = 'u16-35e_sthv2-rgb'
HMDB = '16x2x1-50e_hmdb51-split1-rgb'


class Result(NamedTuple):
    """One figure of a table.

    Attributes:
        published (float, optional): In percent; None where the paper has no
            figure.
        config (str, optional): Name of the config behind it, without `.py`.
        metric (str): Its metric in the log of the test.
    """

    published: Optional[float]
    config: Optional[str] = None
    metric: str = 'acc/top1'


class Table(NamedTuple):
    """A table of results.

    Attributes:
        title (str): What it compares.
        columns (tuple[str, ...]): Titles of what describes a row.
        results (tuple[str, ...]): Titles of the results.
        rows (Sequence): (description, results) of every row.
    """

    title: str
    columns: Tuple[str, ...]
    results: Tuple[str, ...]
    rows: Sequence[Tuple[Tuple[str, ...], Tuple[Result, ...]]]


def format_table(
    table: Table, measured: Dict[str, Dict[str, float]] = {}
) -> str:
    """A table in Markdown, with what was measured beside what is published.

    Args:
        table (Table): One of `TABLES`.
        measured (dict): Name of a config -> metrics of its test, accuracies
            in 0..1. Without any, the measured columns are left out.
    """
    header = list(table.columns)
    for title in table.results:
        header += [f'{title} published'] + ['measured'] * bool(measured)
    rows = []
    for description, results in table.rows:
        row = list(description)
        for result in results:
            row.append(_percent(result.published))
            if measured:
                metrics = measured.get(result.config, {})
                value = metrics.get(result.metric)
                row.append(_percent(None if value is None else 100 * value))
        rows.append(row)
    return markdown_table(header, rows)


def _percent(value: Optional[float]) -> str:
    return '-' if value is None else f'{value:.1f}'


def _ablation(module: str, ssv2: float, hmdb: float):
    """SSV2 and HMDB of a row whose configs are named after their change."""
    return tuple(
        Result(accuracy, f'{SMALL}{module}_in1k-pre_8xb8-{data}')
        for accuracy, data in ((ssv2, SSV2), (hmdb, HMDB))
    )


def _frames(num_frames: int, ssv2: float, hmdb: float):
    configs = (
        f'{SMALL}_in1k-pre_8xb8-u{num_frames}-35e_sthv2-rgb',
        f'{SMALL}_in1k-pre_8xb8-{num_frames}x2x1-50e_hmdb51-split1-rgb',
    )
    return tuple(Result(*pair) for pair in zip((ssv2, hmdb), configs))


def _top(top1: Optional[float], top5: Optional[float], config=None):
    return Result(top1, config), Result(top5, config, 'acc/top5')


TABLES: Dict[int, Table] = {
    2: Table(
        'Backward scanning methods',
        ('backward scan',),
        ('SSV2', 'HMDB'),
        (
            (
                ('spatial reversal',),
                _ablation('_spatial-reversal', 61.9, 43.3),
            ),
            (
                ('temporal reversal',),
                _ablation('_temporal-reversal', 63.3, 52.9),
            ),
            (
                ('spatio-temporal reversal',),
                _ablation('_spatiotemporal-reversal', 64.7, 55.2),
            ),
        ),
    ),
    3: Table(
        'Position embedding and its initialisation',
        ('positions', 'initialisation'),
        ('SSV2', 'HMDB'),
        (
            (('none', '-'), _ablation('_no-pos', 63.2, 48.7)),
            (('sinusoid', '-'), _ablation('_sinusoid-pos', 63.3, 47.5)),
            (('learned', 'random'), _ablation('_random-pos', 63.4, 47.9)),
            (
                ('learned', 'interpolate-s'),
                _ablation('_interpolate-s-pos', 63.6, 49.4),
            ),
            (
                ('learned', 'interpolate-d'),
                _ablation('_interpolate-d-pos', 63.6, 51.5),
            ),
            (('learned', 'expanding'), _ablation('', 63.7, 58.9)),
        ),
    ),
    4: Table(
        'Adding regularization',
        ('training',),
        ('HMDB',),
        (
            (
                ('ImageNet init.',),
                (Result(53.6, f'{SMALL}_in1k-pre_8xb8-noaug-{HMDB}'),),
            ),
            (
                ('K400 init.',),
                (Result(66.6, f'{SMALL}_k400-pre_8xb8-noaug-{HMDB}'),),
            ),
            (
                ('+ random aug.',),
                (Result(67.6, f'{SMALL}_k400-pre_8xb8-nosmooth-{HMDB}'),),
            ),
            (
                ('+ label smoothing',),
                (Result(68.6, f'{SMALL}_k400-pre_8xb8-{HMDB}'),),
            ),
        ),
    ),
    5: Table(
        'Number of frames',
        ('frames', 'GFLOPs'),
        ('SSV2', 'HMDB'),
        (
            (('8', '17.1'), _frames(8, 61.0, 52.7)),
            (('16', '34.2'), _frames(16, 63.7, 58.9)),
            (('32', '68.5'), _frames(32, 64.2, 59.3)),
        ),
    ),
    6: Table(
        'Embedding dimension',
        ('dim', 'GFLOPs'),
        ('K400', 'SSV2', 'HMDB'),
        (
            (
                ('192', '8.8'),
                (
                    Result(69.5, f'{TINY}_in1k-pre_8xb8-{K400}'),
                    Result(54.6, f'{TINY}_in1k-pre_8xb8-{SSV2}'),
                    Result(56.5, f'{TINY}_in1k-pre_8xb8-{HMDB}'),
                ),
            ),
            (
                ('384', '34.2'),
                (
                    Result(76.2, f'{SMALL}_in1k-pre_8xb8-{K400}'),
                    Result(63.7, f'{SMALL}_in1k-pre_8xb8-{SSV2}'),
                    # Table 7 has this figure for Kinetics-400 weights.
                    Result(68.6, f'{SMALL}_k400-pre_8xb8-{HMDB}'),
                ),
            ),
        ),
    ),
    7: Table(
        'HMDB51',
        ('method', 'pretrain', 'frames', 'param (M)'),
        ('top-1',),
        (
            (('I3D', 'IN-1K', '30', '25.0'), (Result(49.8),)),
            (('SpeedNet', 'K400', '64', '9.0'), (Result(48.8),)),
            (('VTHCL', 'K400', '32', '32.0'), (Result(67.9),)),
            (('MemDPC', 'K400', '40', '32.0'), (Result(54.5),)),
            (('CVRL', 'K400', '32', '32.0'), (Result(49.2),)),
            (('VideoSwin-T', 'IN-1K', '32', '27.9'), (Result(54.4),)),
            (('VideoSwin-T', 'K400', '32', '27.9'), (Result(69.9),)),
            (('VideoSwin-S', 'IN-1K', '32', '54.0'), (Result(58.1),)),
            (('VideoMAE, ViT-B', '-', '16', '87.0'), (Result(62.6),)),
            (('VideoMAE, ViT-B', 'K400', '16', '87.0'), (Result(73.3),)),
            (('S4ND-ConvNeXt-3D', 'IN-1K', '30', '29.0'), (Result(55.2),)),
            (('Mamba-ND', 'IN-1K', '32', '36.0'), (Result(59.0),)),
            (
                ('VideoMamba', 'IN-1K', '16', '26.3'),
                (Result(58.9, f'{SMALL}_in1k-pre_8xb8-{HMDB}'),),
            ),
            (
                ('VideoMamba', 'IN-1K', '32', '26.8'),
                (
                    Result(
                        59.3,
                        f'{SMALL}_in1k-pre_8xb8-32x2x1-50e_hmdb51-split1-rgb',
                    ),
                ),
            ),
            (
                ('VideoMamba', 'K400', '16', '26.3'),
                (Result(68.6, f'{SMALL}_k400-pre_8xb8-{HMDB}'),),
            ),
            (
                ('VideoMamba', 'K400', '32', '26.8'),
                (
                    Result(
                        75.7,
                        f'{SMALL}_k400-pre_8xb8-32x2x1-50e_hmdb51-split1-rgb',
                    ),
                ),
            ),
        ),
    ),
    8: Table(
        'Something-Something V2',
        ('method', 'pretrain', 'frames', 'views', 'GFLOPs', 'param (M)'),
        ('top-1', 'top-5'),
        (
            (
                ('SlowFast, R101', 'K400', '8+32', '1x3', '106', '53.3'),
                _top(63.1, 87.6),
            ),
            (
                ('TSM-RGB, R50', 'K400', '16', '2x3', '62', '42.9'),
                _top(63.4, 88.2),
            ),
            (
                ('VideoSwin-T', 'IN-1K', '32', '1x3', '88', '27.8'),
                _top(52.3, 81.9),
            ),
            (
                ('VideoSwin-T', 'K400', '32', '1x3', '88', '27.8'),
                _top(57.2, 85.7),
            ),
            (
                ('TimeSformer, ViT-B', 'IN-21K', '8', '1x3', '196', '121.4'),
                _top(59.5, None),
            ),
            (
                ('TimeSformer, ViT-L', 'IN-21K', '64', '1x3', '5549', '430.0'),
                _top(62.4, None),
            ),
            (
                ('ViViT FE, ViT-L', 'IN-21K+K400', '32', '4x3', '995', '-'),
                _top(65.9, 89.9),
            ),
            (
                ('VideoMAE, ViT-S', '-', '16', '2x3', '57', '22.0'),
                _top(66.8, 90.3),
            ),
            (
                ('VideoMamba', 'IN-1K', '16', '2x3', '34', '26.3'),
                _top(63.7, 87.8, f'{SMALL}_in1k-pre_8xb8-{SSV2}'),
            ),
            (
                ('VideoMamba', 'IN-1K', '32', '2x3', '68', '26.8'),
                _top(64.2, 88.0, f'{SMALL}_in1k-pre_8xb8-u32-35e_sthv2-rgb'),
            ),
        ),
    ),
    9: Table(
        'Kinetics-400',
        ('method', 'pretrain', 'frames', 'views', 'GFLOPs', 'param (M)'),
        ('top-1', 'top-5'),
        (
            (('R(2+1)D', '-', '32', '10x1', '75', '61.8'), _top(72.0, 90.0)),
            (('I3D', 'IN-1K', '32', '10x3', '108', '25.0'), _top(72.1, 90.3)),
            (
                ('NL I3D', 'IN-1K', '32', '10x3', '359', '62.0'),
                _top(77.7, 93.3),
            ),
            (
                ('SlowFast, R101+NL', '-', '16+64', '10x3', '234', '59.9'),
                _top(79.8, 93.9),
            ),
            (('MViT-S', '-', '16', '5x1', '33', '26.1'), _top(76.0, 92.1)),
            (('MViT-B', '-', '16', '5x1', '71', '36.6'), _top(78.4, 93.5)),
            (
                ('VideoSwin-T', 'IN-1K', '32', '4x3', '88', '28.2'),
                _top(78.8, 93.6),
            ),
            (
                ('VideoMAE, ViT-S', '-', '16', '5x3', '57', '22.0'),
                _top(79.0, 93.8),
            ),
            (
                ('VideoMamba', 'IN-1K', '16', '5x3', '34', '26.4'),
                _top(76.1, 92.5, f'{SMALL}_in1k-pre_8xb8-{K400}'),
            ),
            (
                ('VideoMamba', 'IN-1K', '32', '5x3', '68', '26.8'),
                _top(
                    77.7,
                    93.3,
                    f'{SMALL}_in1k-pre_8xb8-32x2x1-30e_kinetics400-rgb',
                ),
            ),
        ),
    ),
}
