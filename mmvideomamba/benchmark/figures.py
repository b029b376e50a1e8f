"""The figures of a comparison of models: costs, and growth with the clip."""

from pathlib import Path
from typing import Dict, List, Optional, Sequence

from ..analysis.paper_tables import TABLES
from ..visualization import draw_costs, draw_growth, save_figure
from .benchmarked_models import BENCHMARKED_MODELS

KINETICS_400 = TABLES[9]
NOTE = '* top-1 on Kinetics-400 as published, not measured here'


def save_figures(
    results: Sequence[dict], device: str, folder: Path
) -> List[Path]:
    """Draw results of models and write the figures.

    The forward pass is drawn where it was measured, else the training step:
    `costs`, time against memory, and where a model ran at several numbers of
    frames `growth`. With several batch sizes, each has figures of its own.

    Args:
        results (Sequence[dict]): See `record.py`.
        device (str): What they were measured on.
        folder (Path): Where to write; made if need be.

    Returns:
        list[Path]: What was written, PDF and PNG of each figure.
    """
    measured = [
        row for row in results if row['memory'] is not None and not row['busy']
    ]
    passes = {row['pass'] for row in measured}
    name = 'forward' if 'forward' in passes else 'training'
    what = dict(forward='forward pass', training='training step')[name]
    batch_sizes = sorted({row['batch_size'] for row in measured})
    paths: List[Path] = []
    for size in batch_sizes:
        rows = [
            row
            for row in measured
            if (row['pass'], row['batch_size']) == (name, size)
        ]
        label = f'{what} (ms), {device}, batch of {size}'
        suffix = f'_batch{size}' if len(batch_sizes) > 1 else ''
        models = [_bubble(row) for row in rows]
        note = NOTE if any(model['published'] for model in models) else None
        figure = draw_costs(models, label, note)
        paths += save_figure(figure, folder / f'costs{suffix}')
        curves = _curves(rows)
        if curves:
            figure = draw_growth(curves, label)
            paths += save_figure(figure, folder / f'growth{suffix}')
    return paths


def _bubble(row: dict) -> dict:
    return dict(
        name=row['name'],
        group=BENCHMARKED_MODELS[row['model']].title,
        time=1e3 * row['median'],
        memory=row['memory'] / 1e6,
        parameters=row['parameters'],
        published=published_accuracy(row['model'], row['frames']),
    )


def _curves(rows: Sequence[dict]) -> Dict[str, list]:
    """Models that ran at several numbers of frames, see `draw_growth`."""
    curves: Dict[str, list] = {}
    for row in rows:
        title = row['name'].replace(f' {row["frames"]}f', '')
        point = row['frames'], 1e3 * row['median'], row['memory'] / 1e6
        curves.setdefault(title, []).append(point)
    return {title: curve for title, curve in curves.items() if len(curve) > 1}


def published_accuracy(model: str, frames: int) -> Optional[float]:
    """Top-1 on Kinetics-400 from the paper's table 9, in percent."""
    wanted = BENCHMARKED_MODELS[model].paper_name, str(frames)
    for (method, _, num_frames, *_), results in KINETICS_400.rows:
        if (method, num_frames) == wanted:
            return results[0].published
    return None
