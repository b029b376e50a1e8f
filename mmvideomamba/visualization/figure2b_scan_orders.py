"""Figure 2b of the paper, for any scan order over the token grid.

Frames are slanted sheets side by side, time to the right. The slant puts
every token of a frame at a height of its own, so that steps from frame to
frame do not cover one another. Steps to a neighbour in the grid are solid,
jumps are dashed.
"""

import math
from typing import Callable, Dict, List, Tuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from torch import Tensor

from .style import COLORMAP, GREY, paper_style

Point = Tuple[float, float]
RGBA = Tuple[float, float, float, float]
CELL = 0.26  # inches
CELL_WIDTH = 1.05  # of a cell's height
GAP = 0.6  # between sheets, of a cell's height
TITLE = 0.35  # inches
KEY = 0.8  # inches, of which its bar is KEY_BAR high
KEY_BAR = 0.12


@paper_style
def draw_scan_orders(
    orders: Dict[str, Tensor], grid: Tuple[int, int, int]
) -> Figure:
    """Draw scan orders over the token grid, one panel each.

    Args:
        orders (dict[str, Tensor]): Title -> (L,) int64, the tokens in the
            order of the scan. L is T*H*W, or one more where token 0 is the
            class token and the patches follow it, as in
            `mmvideomamba.models.sequence_orders`.
        grid (tuple[int, int, int]): (T, H, W), small enough to be read.

    Returns:
        Figure: Not yet written, see `save_figure`.

    Raises:
        ValueError: An order does not fit the grid.
    """
    tokens = math.prod(grid)
    for title, order in orders.items():
        if len(order) not in (tokens, tokens + 1):
            raise ValueError(
                f'{title}: expected {tokens} steps over grid {tuple(grid)}, '
                f'or {tokens + 1} with a class token, got {len(order)}'
            )
    columns = min(2, len(orders))
    rows = math.ceil(len(orders) / columns)
    left, right, bottom, top = _bounds(grid)
    width = (right - left + 0.8) * CELL
    height = (top - bottom) * CELL + TITLE
    figure = Figure(figsize=(width * columns, height * rows + KEY))
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (title, order) in zip(axes.flat, orders.items()):
        _draw_order(ax, order.tolist(), grid)
        ax.set_title(title)
    _draw_key(figure, axes, max(map(len, orders.values())))
    return figure


def _draw_order(
    ax: Axes, order: List[int], grid: Tuple[int, int, int]
) -> None:
    color = _step_colors(len(order))
    for t in range(grid[0]):
        ax.add_patch(_sheet(t, grid))
        x, y = _point(t, grid[1] - 0.5, (grid[2] - 1) / 2, grid)
        ax.text(x, y - 0.3, f't = {t}', ha='center', va='top', color=GREY)

    num_extra = len(order) - math.prod(grid)
    cells = [_cell(token - num_extra, grid) for token in order]
    points = [_point(*cell, grid) for cell in cells]
    if num_extra:
        cls_step = order.index(0)
        points[cls_step] = _class_token_point(cls_step, cells, grid)

    for step in range(len(order) - 1):
        is_neighbour = 0 not in order[step : step + 2] or not num_extra
        is_neighbour &= _distance(cells[step], cells[step + 1]) == 1
        # Long arrows are thin and below the others, which they cross.
        is_short = is_neighbour and cells[step][0] == cells[step + 1][0]
        ax.annotate(
            '',
            xy=points[step + 1],
            xytext=points[step],
            arrowprops=dict(
                arrowstyle='-|>',
                color=color(step),
                linewidth=1.5 if is_short else 0.8,
                linestyle='-' if is_neighbour else (0, (3, 2)),
                shrinkA=5,
                shrinkB=5,
                mutation_scale=7,
            ),
            zorder=2 if is_short else 1.9,
        )
    for step, (token, (x, y)) in enumerate(zip(order, points)):
        is_class = num_extra and token == 0
        ax.plot(
            x,
            y,
            marker='D' if is_class else 'o',
            markersize=10 if is_class else 11,
            color=color(step),
            markeredgecolor='black' if is_class else 'white',
            markeredgewidth=0.8,
            clip_on=False,
            zorder=3,
        )
        red, green, blue, _ = color(step)
        is_light = 0.3 * red + 0.59 * green + 0.11 * blue > 0.5
        ax.text(
            x,
            y,
            str(step),
            ha='center',
            va='center_baseline',
            fontsize=6,
            color='black' if is_light else 'white',
            zorder=4,
        )
    left, right, bottom, top = _bounds(grid)
    ax.set(xlim=(left - 0.4, right + 0.4), ylim=(bottom, top), aspect='equal')


def _draw_key(figure: Figure, axes: np.ndarray, num_steps: int) -> None:
    """A bar of the steps' colours, and what diamonds and dashes mean."""
    mappable = ScalarMappable(Normalize(0, num_steps - 1), COLORMAP)
    bar = figure.colorbar(
        mappable,
        ax=axes,
        location='bottom',
        shrink=0.5,
        aspect=0.5 * figure.get_figwidth() / KEY_BAR,
        pad=0.1 / figure.get_figheight(),
        ticks=[0, num_steps - 1],
    )
    bar.ax.set_xticklabels(['first step', 'last step'])
    bar.set_label('diamond: class token; dashed: a jump in the grid')
    bar.outline.set_visible(False)


def _step_colors(num_steps: int) -> Callable[[int], RGBA]:
    colormap = matplotlib.colormaps[COLORMAP]
    return lambda step: colormap(step / max(num_steps - 1, 1))


def _cell(token: int, grid: Tuple[int, int, int]) -> Tuple[int, int, int]:
    """Index of a token in raster order -> (t, h, w)."""
    t, patch = divmod(token, grid[1] * grid[2])
    return (t, *divmod(patch, grid[2]))


def _distance(a: Tuple[int, ...], b: Tuple[int, ...]) -> int:
    return sum(abs(i - j) for i, j in zip(a, b))


def _point(t: float, h: float, w: float, grid: Tuple[int, int, int]) -> Point:
    """Where the middle of a cell is drawn; a cell is one unit high."""
    sheet = CELL_WIDTH * grid[2] + GAP
    return t * sheet + CELL_WIDTH * w, -h + w / grid[2]


def _sheet(t: int, grid: Tuple[int, int, int]) -> Polygon:
    bottom, right = grid[1] - 0.5, grid[2] - 0.5
    corners = [(-0.5, -0.5), (-0.5, right), (bottom, right), (bottom, -0.5)]
    return Polygon(
        [_point(t, h, w, grid) for h, w in corners],
        facecolor='#F2F2F2',
        edgecolor='#BBBBBB',
        linewidth=0.8,
    )


def _class_token_point(
    step: int, cells: List[Tuple[int, int, int]], grid: Tuple[int, int, int]
) -> Point:
    """Beside the grid, next to the token before or after it in the scan."""
    left, right, bottom, top = _bounds(grid)
    if 0 < step < len(cells) - 1:
        return (left + right) / 2, top - 0.3
    t, h, _ = cells[1 if step == 0 else step - 1]
    w = (grid[2] - 1) / 2
    _, y = _point(t, h, w, grid)
    return (left if t < grid[0] / 2 else right), y


def _bounds(grid: Tuple[int, int, int]) -> Tuple[float, float, float, float]:
    """Left, right, bottom, top of a panel, with room for class tokens."""
    left, _ = _point(0, 0, -0.5, grid)
    right, top = _point(grid[0] - 1, -0.5, grid[2] - 0.5, grid)
    _, bottom = _point(0, grid[1] - 0.5, -0.5, grid)
    return left - 1, right + 1, bottom - 0.1, top + 0.4
