"""The confusion matrix of a test."""

from typing import Sequence

import numpy as np
from matplotlib.figure import Figure

from .style import COLORMAP, paper_style

# More classes than this have no room for numbers and names.
MOST_NAMED = 40


@paper_style
def draw_confusion(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw which classes are taken for which.

    Args:
        matrix (np.ndarray): (C, C) int, rows are the right classes.
        classes (Sequence[str]): Their names.

    Returns:
        Figure: Shares of the videos of each class as colours, numbers of
        videos as text. Not yet written, see `save_figure`.
    """
    count = len(classes)
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    side = min(1.6 + 0.32 * count, 10)
    figure = Figure(figsize=(side + 0.8, side))
    ax = figure.subplots()
    image = ax.imshow(share, vmin=0, vmax=1, cmap=COLORMAP)
    ax.set(xlabel='predicted class', ylabel='right class')
    figure.colorbar(image, label='share of the class', shrink=0.8)
    if count > MOST_NAMED:
        return figure
    ax.set_xticks(range(count), classes, rotation=60, ha='right')
    ax.set_yticks(range(count), classes)
    for row, column in zip(*matrix.nonzero()):
        ax.text(
            column,
            row,
            matrix[row, column],
            ha='center',
            va='center',
            fontsize=7,
            color='black' if share[row, column] > 0.6 else 'white',
        )
    return figure
