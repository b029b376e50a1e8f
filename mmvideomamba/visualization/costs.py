"""What models cost: the paper's figure 1 as measured, and growth in time."""

from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    NullFormatter,
    NullLocator,
)
from matplotlib.transforms import Bbox

from .block_curves import MARKERS
from .style import COLORS, GREY, paper_style

# Bubbles: points squared for a million parameters.
AREA = 7.0
TICKS = (1, 2, 5)
# Where a label may stand beside its bubble, the best first.
SIDES = (
    (0, -1, 'center', 'top'),
    (0, 1, 'center', 'bottom'),
    (1, 0, 'left', 'center'),
    (-1, 0, 'right', 'center'),
)


@paper_style
def draw_costs(
    models: Sequence[dict], time_label: str, note: Optional[str] = None
) -> Figure:
    """Draw time against memory, a bubble per model, area by parameters.

    Args:
        models (Sequence[dict]): `name`, `group` (models of a group share a
            colour), `time` in milliseconds, `memory` in MB, `parameters` and,
            optionally, `published`: an accuracy in percent for the label.
        time_label (str): What the times are of.
        note (str, optional): A line below the figure.

    Returns:
        Figure: Not yet written, see `save_figure`.
    """
    figure = Figure(figsize=(5.2, 3.7))
    ax = figure.subplots()
    groups = list(dict.fromkeys(model['group'] for model in models))
    labels = []
    largest_first = sorted(models, key=lambda model: -model['parameters'])
    for model in largest_first:
        place = model['time'], model['memory']
        color = COLORS[groups.index(model['group']) % len(COLORS)]
        area = AREA * model['parameters'] / 1e6
        ax.scatter(*place, s=area, color=color, alpha=0.75, linewidth=0)
        label = model['name']
        if model.get('published') is not None:
            label += f'\n{model["published"]:.1f}*'
        labels.append((label, place, (area / np.pi) ** 0.5))
    _log_axes(
        ax,
        [model['time'] for model in models],
        [model['memory'] for model in models],
    )
    ax.set(xlabel=time_label, ylabel='peak memory above the weights (MB)')
    _parameter_legend(ax, [model['parameters'] for model in models])
    _write_labels(figure, ax, labels)
    if note:
        figure.supxlabel(note, fontsize=7.5, color=GREY)
    return figure


@paper_style
def draw_growth(
    curves: Dict[str, Sequence[Tuple[int, float, float]]], time_label: str
) -> Figure:
    """Draw time and memory against the number of frames, on log axes.

    Args:
        curves (dict[str, Sequence]): Name -> (frames, milliseconds, MB) of
            each point. A dashed guide through the first curve's first point
            shows linear growth.
        time_label (str): What the times are of.

    Returns:
        Figure: Not yet written, see `save_figure`.
    """
    figure = Figure(figsize=(6.4, 2.9))
    axes = figure.subplots(1, 2)
    labels = time_label, 'peak memory above the weights (MB)'
    frames = sorted({point[0] for curve in curves.values() for point in curve})
    for column, (ax, label) in enumerate(zip(axes, labels), start=1):
        for number, (name, curve) in enumerate(curves.items()):
            points = sorted(curve)
            ax.plot(
                [point[0] for point in points],
                [point[column] for point in points],
                label=name,
                color=COLORS[number % len(COLORS)],
                marker=MARKERS[number % len(MARKERS)],
                markersize=4,
            )
        start = min(next(iter(curves.values())))
        ends = np.array([start[0], frames[-1]])
        ax.plot(
            ends,
            start[column] * ends / start[0],
            color=GREY,
            linestyle=(0, (4, 3)),
            linewidth=1,
            zorder=0,
            label='linear',
        )
        values = [point[column] for c in curves.values() for point in c]
        _log_axes(ax, frames, values)
        ax.xaxis.set_major_locator(FixedLocator(frames))
        ax.set(xlabel='frames', ylabel=label)
    axes[0].legend()
    return figure


def _log_axes(
    ax: Axes, across: Sequence[float], upward: Sequence[float]
) -> None:
    """Logarithmic axes with 1, 2, 5, 10, ... written as they are."""
    ax.set(xscale='log', yscale='log')
    for axis, values in ((ax.xaxis, across), (ax.yaxis, upward)):
        low, high = min(values) / 1.5, max(values) * 1.5
        axis.set_major_locator(FixedLocator(_round_numbers(low, high)))
        axis.set_major_formatter(FuncFormatter(lambda v, _: f'{v:g}'))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    ax.set_xlim(min(across) / 1.5, max(across) * 1.5)
    ax.set_ylim(min(upward) / 2, max(upward) * 2)
    ax.grid(True)
    ax.set_axisbelow(True)


def _round_numbers(low: float, high: float) -> List[float]:
    decades = range(int(np.floor(np.log10(low))), int(np.log10(high)) + 1)
    ticks = [tick * 10.0**decade for decade in decades for tick in TICKS]
    return [tick for tick in ticks if low <= tick <= high]


def _parameter_legend(ax: Axes, parameters: Sequence[int]) -> None:
    """Bubbles of round sizes that span the models'."""
    sizes = [size for size in (25, 50, 100) if size < max(parameters) / 1e6]
    handles = [
        ax.scatter([], [], s=AREA * size, color='#BBBBBB', linewidth=0)
        for size in sizes
    ]
    ax.legend(
        handles,
        [f'{size} M' for size in sizes],
        loc='upper left',
        title='parameters',
        labelspacing=1.9,
        handletextpad=1.2,
        borderpad=1.2,
    )


def _write_labels(
    figure: Figure,
    ax: Axes,
    labels: Sequence[Tuple[str, Tuple[float, float], float]],
) -> None:
    """Write texts beside bubbles, clear of these and of each other.

    Args:
        figure (Figure): Complete but for the labels.
        ax (Axes): Of the figure.
        labels (Sequence[tuple]): Text, place in data units, and the bubble's
            radius in points.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    taken = []
    for _, place, radius in labels:
        (x, y), r = ax.transData.transform(place), radius * figure.dpi / 72
        taken.append(Bbox.from_extents(x - r, y - r, x + r, y + r))
    for text, place, radius in sorted(labels, key=lambda label: label[1]):
        for x, y, ha, va in SIDES:
            written = ax.annotate(
                text,
                place,
                xytext=(x * (radius + 3), y * (radius + 3)),
                textcoords='offset points',
                ha=ha,
                va=va,
                fontsize=7.5,
                linespacing=1.1,
            )
            box = written.get_window_extent(renderer)
            if box.count_overlaps(taken) == 0 or (x, y) == SIDES[-1][:2]:
                break
            written.remove()
        taken.append(box)
