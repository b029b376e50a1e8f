"""A quantity from the first block of a model to the last."""

from typing import Dict, Optional, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import COLORS, GREY, paper_style

MARKERS = 'os^Dv'


@paper_style
def draw_block_curves(
    curves: Dict[str, Sequence[float]],
    label: str,
    controls: Sequence[str] = (),
    reference: Optional[float] = None,
) -> Figure:
    """Draw one curve over the blocks for each name.

    Args:
        curves (dict[str, Sequence[float]]): Name -> a value for each block.
        label (str): What the values are.
        controls (Sequence[str]): Names to draw dashed and grey.
        reference (float, optional): Where to draw a thin line across.

    Returns:
        Figure: Not yet written, see `save_figure`.
    """
    figure = Figure(figsize=(4.6, 2.8))
    ax = figure.subplots()
    if reference is not None:
        ax.axhline(reference, color='#AAAAAA', linewidth=0.8, zorder=0)
    for number, (name, values) in enumerate(curves.items()):
        is_control = name in controls
        ax.plot(
            range(len(values)),
            values,
            label=name,
            color=GREY if is_control else COLORS[number % len(COLORS)],
            linestyle=(0, (4, 3)) if is_control else '-',
            marker=MARKERS[number % len(MARKERS)],
            markersize=4,
        )
    ax.set(xlabel='block', ylabel=label)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.legend()
    return figure
