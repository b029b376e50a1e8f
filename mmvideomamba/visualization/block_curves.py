"""A quantity from the first block of a model to the last."""

import itertools
from typing import Dict, Mapping, Optional, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import COLORS, GREY, paper_style

MARKERS = 'os^Dv'


@paper_style
def draw_block_curves(
    curves: Dict[str, Sequence[float]],
    label: str,
    controls: Optional[Mapping[str, Optional[str]]] = None,
    reference: Optional[float] = None,
) -> Figure:
    """Draw one curve over the blocks for each name.

    Args:
        curves (dict[str, Sequence[float]]): Name -> a value for each block.
        label (str): What the values are.
        controls (Mapping[str, str], optional): Name to draw dashed -> the
            name whose colour it shares, or None for grey.
        reference (float, optional): Where to draw a thin line across.

    Returns:
        Figure: Not yet written, see `save_figure`.
    """
    figure = Figure(figsize=(4.6, 2.8))
    ax = figure.subplots()
    if reference is not None:
        ax.axhline(reference, color='#AAAAAA', linewidth=0.8, zorder=0)
    controls = controls or {}
    markers = itertools.cycle(MARKERS)
    names = [name for name in curves if name not in controls]
    colors = dict(zip(names, itertools.cycle(COLORS)))
    for name, values in curves.items():
        is_control = name in controls
        shown_as = controls.get(name, name)
        ax.plot(
            range(len(values)),
            values,
            label=name,
            color=GREY if shown_as is None else colors.get(shown_as, GREY),
            linestyle=(0, (4, 3)) if is_control else '-',
            marker=next(markers),
            markersize=4,
        )
    ax.set(xlabel='block', ylabel=label)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.legend()
    return figure
