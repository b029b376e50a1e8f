"""Accuracies as bars, beside chance."""

from typing import Dict, Optional

from matplotlib.figure import Figure

from .style import COLORS, paper_style


@paper_style
def draw_accuracies(
    accuracies: Dict[str, float],
    spreads: Optional[Dict[str, float]] = None,
    chance: Optional[float] = None,
) -> Figure:
    """Draw one bar for each accuracy, the first on top.

    Args:
        accuracies (dict[str, float]): Name -> top-1 accuracy in 0..1.
        spreads (dict[str, float], optional): Name -> standard deviation over
            the seeds, in the same unit.
        chance (float, optional): What guessing would give.

    Returns:
        Figure: Not yet written, see `save_figure`.
    """
    names = list(accuracies)
    heights = [100 * accuracies[name] for name in names]
    errors = None if spreads is None else [100 * spreads[n] for n in names]
    figure = Figure(figsize=(4.6, 0.36 * len(names) + 0.8))
    ax = figure.subplots()
    bars = ax.barh(
        names,
        heights,
        height=0.62,
        color=COLORS[0],
        xerr=errors,
        error_kw=dict(linewidth=1, capsize=2),
    )
    for bar, height in zip(bars, heights):
        ax.annotate(
            f'{height:.1f}',
            (0, bar.get_y() + bar.get_height() / 2),
            xytext=(4, 0),
            textcoords='offset points',
            va='center',
            color='white' if height > 12 else 'black',
            fontsize=8,
        )
    if chance is not None:
        # Above the bars, in a colour that shows on them and beside them.
        ax.axvline(
            100 * chance, color='black', linestyle=(0, (4, 3)), linewidth=1
        )
        ax.annotate(
            'chance',
            (100 * chance, 1),
            xycoords=('data', 'axes fraction'),
            xytext=(0, 2),
            textcoords='offset points',
            ha='center',
            fontsize=8,
        )
    ax.set(xlim=(0, 100), xlabel='top-1 accuracy (%)')
    ax.invert_yaxis()
    ax.tick_params(axis='y', length=0)
    return figure
