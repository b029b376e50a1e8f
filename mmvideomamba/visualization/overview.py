"""A model on one clip: its tokens, the orders of its scans, delta, the answer.

Time runs to the right. One column is one step of the token grid; a frame of
the clip stands for its tubelet.
"""

import re
from typing import Dict, Sequence, Tuple

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .figure4_token_maps import overlay_map, scale_map
from .style import COLORMAP, COLORS, paper_style

SIZE = 1.1  # inches of a frame


@paper_style
def draw_overview(
    frames: np.ndarray,
    orders: Dict[str, Tensor],
    delta: np.ndarray,
    scores: Sequence[Tuple[str, float]],
) -> Figure:
    """Draw what a model makes of a clip.

    Args:
        frames (np.ndarray): (T, H, W, 3) uint8 RGB.
        orders (dict[str, Tensor]): Title -> (t*h*w,) int64, the patches in
            the order of a scan, without a class token.
        delta (np.ndarray): (t, h, w) float, its mean over the channels.
        scores (Sequence[tuple[str, float]]): Classes and their
            probabilities, the best first.

    Returns:
        Figure: Not yet written, see `save_figure`.
    """
    grid = delta.shape
    rows = ['tokens', *orders, r'$\Delta$']
    figure = Figure(figsize=(SIZE * (grid[0] + 3), SIZE * len(rows)))
    axes = figure.subplots(
        len(rows), grid[0] + 1, width_ratios=[1] * grid[0] + [1.8]
    )
    axes, (answer, *others) = axes[:, :-1], axes[:, -1]
    for ax, title in zip(axes[:, 0], rows):
        # A class's name, word for word.
        words = re.sub(r'(?<=[a-z])(?=[A-Z])', '\n', title)
        ax.set_ylabel(words, rotation=0, ha='right', va='center')
    tokens, *scans, maps = axes
    scaled = scale_map(delta)
    for t in range(grid[0]):
        frame = frames[t * len(frames) // grid[0]]
        _show(tokens[t], frame, grid)
        tokens[t].set_title(f't = {t}')
        for ax, order in zip(scans, orders.values()):
            _show(ax[t], _pale(frame), grid)
            _draw_steps(ax[t], order.numpy(), t, grid)
        _show(maps[t], overlay_map(frame, scaled[t]), grid)
    for ax in others:
        ax.remove()
    answer.remove()
    _draw_answer(figure.add_subplot(axes[0, 0].get_gridspec()[:, -1]), scores)
    return figure


def _show(ax: Axes, picture: np.ndarray, grid: Tuple[int, int, int]) -> None:
    """A picture in units of tokens, which lines part."""
    _, height, width = grid
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    ax.imshow(picture.astype(np.uint8), extent=extent)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.hlines(np.arange(1, height) - 0.5, *extent[:2], 'white', linewidth=0.6)
    ax.vlines(np.arange(1, width) - 0.5, *extent[2:], 'white', linewidth=0.6)


def _pale(frame: np.ndarray) -> np.ndarray:
    """A frame in light grey, which arrows stand out from."""
    return 160 + 0.37 * cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[
        ..., None
    ].repeat(3, -1)


def _draw_steps(
    ax: Axes, order: np.ndarray, t: int, grid: Tuple[int, int, int]
) -> None:
    """The steps of a scan that are in one frame, from dark to bright."""
    step = np.empty(len(order))
    step[order] = np.linspace(0, 1, len(order))
    patches = grid[1] * grid[2]
    inside = order[(order >= t * patches) & (order < (t + 1) * patches)]
    y, x = np.divmod(inside % patches, grid[2])
    color = matplotlib.colormaps[COLORMAP](step[inside])
    for i in range(len(inside) - 1):
        ax.annotate(
            '',
            xy=(x[i + 1], y[i + 1]),
            xytext=(x[i], y[i]),
            arrowprops=dict(
                arrowstyle='-|>',
                color=color[i],
                linewidth=1.2,
                mutation_scale=6,
                shrinkA=2,
                shrinkB=2,
            ),
        )
    ax.scatter(x, y, s=16, color=color, edgecolor='white', zorder=3)


def _draw_answer(ax: Axes, scores: Sequence[Tuple[str, float]]) -> None:
    """The best classes as bars, the best on top."""
    places = range(len(scores))
    ax.barh(places, [score for _, score in scores], 0.2, color=COLORS[0])
    for place, (name, score) in zip(places, scores):
        ax.text(0, place - 0.15, f'{name}  {score:.1%}', va='bottom')
    ax.set(xlim=(0, 1), ylim=(len(scores), -1), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_title('answer')
