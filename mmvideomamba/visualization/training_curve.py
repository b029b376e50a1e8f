"""Loss and validation metrics in the course of a training."""

import math
from typing import Dict, List, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import COLORS, GREY, paper_style

Record = Dict[str, float]
ACCURACIES = {'acc/top1': 'top-1', 'acc/top5': 'top-5'}
# Of videos that may have several labels.
AVERAGE_PRECISIONS = {
    'acc/mean_average_precision': 'mAP',
    'acc/mmit_mean_average_precision': 'mAP over videos',
}
METRICS = {**ACCURACIES, **AVERAGE_PRECISIONS}


@paper_style
def draw_training_curve(
    train: Sequence[Record], val: Sequence[Record]
) -> Figure:
    """Draw a training from its log.

    Args:
        train (Sequence[dict]): Logged steps with `loss` and, all of them,
            `epochs` (trained until then) or, none of them, `step`, in order.
        val (Sequence[dict]): Validations with `step` (in the same unit) and
            any of `METRICS` in 0..1, in order; may be empty.

    Returns:
        Figure: Loss on the left, accuracy or mAP on the right; not yet
        written, see `save_figure`.
    """
    figure = Figure(figsize=(6.8, 2.6))
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    _draw_loss(loss_axes, train)
    _draw_accuracy(accuracy_axes, val)
    by_epoch = all('epochs' in r for r in train)
    last = max(*_places(train), *(r['step'] for r in val), 0)
    for ax in (loss_axes, accuracy_axes):
        ax.set(
            xlabel='epoch' if by_epoch else 'iteration',
            xlim=(0, math.ceil(last)),
        )
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.grid(axis='y')
    return figure


def _places(train: Sequence[Record]) -> List[float]:
    return [r['epochs'] if 'epochs' in r else r['step'] for r in train]


def _draw_loss(ax: Axes, train: Sequence[Record]) -> None:
    places = _places(train)
    losses = [r['loss'] for r in train]
    ax.plot(places, losses, color=COLORS[0], alpha=0.3, linewidth=0.8)
    # A single loss makes no line.
    marker = 'o' if len(losses) == 1 else None
    ax.plot(
        places,
        _smooth(losses),
        color=COLORS[0],
        marker=marker,
        clip_on=False,
    )
    ax.set(ylabel='training loss', ylim=(0, None))
    failed = [p for p, loss in zip(places, losses) if not math.isfinite(loss)]
    if failed:
        _note(ax, f'not finite, first at {failed[0]:.4g}')


def _draw_accuracy(ax: Axes, val: Sequence[Record]) -> None:
    found = {metric for record in val for metric in record}
    only_map = found.isdisjoint(ACCURACIES) and found & {*AVERAGE_PRECISIONS}
    name = 'mAP' if only_map else 'accuracy'
    ax.set(ylabel=f'validation {name} (%)', ylim=(0, 100))
    for (metric, label), color in zip(METRICS.items(), COLORS):
        points = [
            (r['step'], 100 * r[metric])
            for r in val
            if math.isfinite(r.get(metric, math.nan))
        ]
        if not points:
            continue
        ax.plot(
            *zip(*points),
            color=color,
            marker='o',
            markersize=3,
            label=f'{label}, best {max(y for _, y in points):.1f}',
            clip_on=False,
        )
    if ax.lines:
        ax.legend(loc='best')
    else:
        _note(ax, 'no validation yet')


def _note(ax: Axes, text: str) -> None:
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha='center', color=GREY)


def _smooth(values: Sequence[float]) -> List[float]:
    """Mean over a window of a fiftieth of the training on either side."""
    reach = len(values) // 50
    windows = (
        values[max(i - reach, 0) : i + reach + 1] for i in range(len(values))
    )
    return [sum(window) / len(window) for window in windows]
