"""Growth of time and memory with the number of frames."""

from typing import Mapping, Sequence, Tuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from .block_curves import MARKERS
from .style import COLORS, GREY, paper_style, set_log_axes


@paper_style
def draw_growth(
    curves: Mapping[str, Sequence[Tuple[int, float, float]]], time_label: str
) -> Figure:
    """Draw time and memory against the number of frames, on log axes.

    Args:
        curves (dict[str, Sequence]): Name -> (frames, milliseconds, MB) of
            each point. A dashed guide through the first curve's first point
            shows linear growth.
        time_label (str): What was timed.

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
        set_log_axes(ax, frames, values)
        ax.xaxis.set_major_locator(FixedLocator(frames))
        ax.set(xlabel='frames', ylabel=label)
    axes[0].legend()
    return figure
