"""What happens when in a long video."""

from typing import Sequence, Tuple

from matplotlib.figure import Figure

from .style import COLORS, paper_style


@paper_style
def draw_time_line(
    segments: Sequence[Tuple[float, float, str, float]], probabilities: bool
) -> Figure:
    """Draw the best class of each segment over time.

    Args:
        segments (Sequence[tuple]): Start and end in seconds, class, score.
        probabilities (bool): Whether scores are in [0, 1]; if so, a bar is as
            opaque as its score is high.

    Returns:
        Figure: A row for each class, in the order of their first segments.
        Not yet written, see `save_figure`.
    """
    names = list(dict.fromkeys(name for _, _, name, _ in segments))
    figure = Figure(figsize=(6.4, 0.3 * len(names) + 0.8))
    ax = figure.subplots()
    for start, end, name, score in segments:
        row = names.index(name)
        ax.barh(
            row,
            end - start,
            left=start,
            height=0.8,
            color=COLORS[row % len(COLORS)],
            alpha=max(0.15, score) if probabilities else 1,
            linewidth=0,
        )
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel='time (s)', xlim=(0, max(end for _, end, _, _ in segments)))
    ax.invert_yaxis()
    ax.tick_params(axis='y', length=0)
    return figure
