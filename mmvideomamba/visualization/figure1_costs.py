"""Figure 1 of the paper, as measured: what models cost, and how accurate.

Time to the right, memory upward, parameters as the area of a bubble.
"""

from typing import Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from .style import COLORS, GREY, paper_style, set_log_axes

# Of a bubble, in square points per million parameters.
AREA = 7.0
# Where a label may be beside its bubble, the best first.
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
    """Draw a bubble for each model.

    Args:
        models (Sequence[dict]): `name`, `group` (models of a group share a
            colour), `time` in milliseconds, `memory` in MB, `parameters` and,
            optionally, `published`: an accuracy in percent for the label.
        time_label (str): What was timed.
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
        center = model['time'], model['memory']
        color = COLORS[groups.index(model['group']) % len(COLORS)]
        area = AREA * model['parameters'] / 1e6
        ax.scatter(*center, s=area, color=color, alpha=0.75, linewidth=0)
        label = model['name']
        if model.get('published') is not None:
            label += f'\n{model["published"]:.1f}*'
        labels.append((label, center, (area / np.pi) ** 0.5))
    set_log_axes(
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
        labels (Sequence[tuple]): Text, center of the bubble in data units, and
            its radius in points.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    taken = []
    for _, center, radius in labels:
        (x, y), r = ax.transData.transform(center), radius * figure.dpi / 72
        taken.append(Bbox.from_extents(x - r, y - r, x + r, y + r))
    for text, center, radius in sorted(labels, key=lambda label: label[1]):
        for x, y, ha, va in SIDES:
            written = ax.annotate(
                text,
                center,
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
