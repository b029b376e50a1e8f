"""Maps over the token grid, overlaid on the frames they come from.

Figure 4 of the paper with maps of delta; for any other quantity as well.
"""

import math
from pathlib import Path
from typing import Dict, Iterator, Tuple

import cv2
import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ..video import write_video
from .style import paper_style, save_figure

COLORMAP = 'inferno'
OPACITY = 0.7
BAR_WIDTH = 0.1  # of a frame


def overlay_map(frame: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Overlay a map on a frame.

    Args:
        frame (np.ndarray): (H, W, 3) uint8 RGB.
        values (np.ndarray): (h, w) float, 0 dark to 1 bright; resized to the
            frame.

    Returns:
        np.ndarray: (H, W, 3) uint8 RGB, the frame in faded grey under the
        map, so that its brightness is not taken for the map's.
    """
    height, width = frame.shape[:2]
    values = cv2.resize(
        values.astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_NEAREST,
    )
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None]
    color = matplotlib.colormaps[COLORMAP](values)[..., :3] * 255
    faded = 64 + grey / 2
    mixed = (1 - OPACITY) * faded + OPACITY * color
    return mixed.round().astype(np.uint8)


def make_overlay_frames(
    frames: np.ndarray, maps: Dict[str, np.ndarray], height: int = 240
) -> Iterator[np.ndarray]:
    """Make the frames of a video: the clip, and each map beside it.

    Args:
        frames (np.ndarray): (T, H, W, 3) uint8 RGB.
        maps (dict[str, np.ndarray]): Title -> (t, h, w) float, t <= T; each
            is scaled by its own values.
        height (int): Height of the frames, in pixels.

    Yields:
        np.ndarray: (H', W', 3) uint8 RGB, T of them.
    """
    titles = ['clip', *maps]
    scaled = [scale_map(values) for values in maps.values()]
    width = round(height * frames.shape[2] / frames.shape[1])
    for number, frame in enumerate(frames):
        frame = cv2.resize(frame, (width, height))
        panels = [frame]
        for values in scaled:
            step = number * len(values) // len(frames)
            panels.append(overlay_map(frame, values[step]))
        titled = [_with_title(*p) for p in zip(panels, titles)]
        gap = np.full((len(titled[0]), 8, 3), 255, np.uint8)
        yield np.hstack(
            [titled[0], *(x for t in titled[1:] for x in (gap, t))]
        )


@paper_style
def draw_token_maps(
    frames: np.ndarray,
    maps: Dict[str, np.ndarray],
    quantity: str,
    columns: int = 8,
) -> Figure:
    """Draw frames along the columns and maps along the rows.

    Args:
        frames (np.ndarray): (T, H, W, 3) uint8 RGB.
        maps (dict[str, np.ndarray]): Title -> (t, h, w) float, all of one
            shape; every row has colours and a colour bar of its own.
        quantity (str): What the maps show, with its unit if it has one.
        columns (int): Most time steps to show.

    Returns:
        Figure: Not yet written, see `save_figure`.
    """
    num_steps = len(next(iter(maps.values())))
    every = math.ceil(num_steps / columns)
    steps = range(0, num_steps, every)
    size = 0.85
    figure = Figure(
        figsize=(
            size * (len(steps) + 1),
            size * (len(maps) + 1) * frames.shape[1] / frames.shape[2] + 0.4,
        ),
        layout=ConstrainedLayoutEngine(
            w_pad=0.02, h_pad=0.02, wspace=0, hspace=0
        ),
    )
    axes = figure.subplots(
        len(maps) + 1,
        len(steps) + 1,
        width_ratios=[1] * len(steps) + [BAR_WIDTH],
    )
    axes, bars = axes[:, :-1], axes[:, -1]
    bars[0].set_axis_off()
    for column, step in enumerate(steps):
        number = step * len(frames) // num_steps
        axes[0, column].imshow(frames[number])
        axes[0, column].set_title(f't = {step}', fontsize=8)
        for ax, values in zip(axes[1:, column], maps.values()):
            picture = overlay_map(frames[number], scale_map(values)[step])
            ax.imshow(picture)
    for row, title in zip(axes, ['clip', *maps]):
        row[0].set_ylabel(title, rotation=0, ha='right', va='center')
        for ax in row:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    for ax, values in zip(bars[1:], maps.values()):
        norm = _norm(values)
        bar = figure.colorbar(
            ScalarMappable(norm, COLORMAP),
            cax=ax,
            ticks=[norm.vmin, norm.vmax],
            format='{x:.3g}',
        )
        bar.outline.set_visible(False)
        # As high as the frames beside it.
        ax.set_box_aspect(frames.shape[1] / frames.shape[2] / BAR_WIDTH)
        ax.tick_params(labelsize=7, length=2)
    figure.supxlabel(quantity, fontsize=9)
    return figure


def save_token_maps(
    frames: np.ndarray, maps: Dict[str, np.ndarray], quantity: str, path: str
) -> Tuple[Path, ...]:
    """Write maps as a figure and as a video.

    Args:
        frames (np.ndarray): See `draw_token_maps`, also for the others.
        path (str): Where, without suffix.

    Returns:
        tuple: The paths of the .pdf, the .png and the .mp4.
    """
    figure = draw_token_maps(frames, maps, quantity)
    video = Path(f'{path}.mp4')
    write_video(video, make_overlay_frames(frames, maps), fps=8)
    return (*save_figure(figure, path), video)


def scale_map(values: np.ndarray) -> np.ndarray:
    """Values from 0 to 1, for `overlay_map`; outliers are clipped."""
    return np.asarray(_norm(values)(values))


def _norm(values: np.ndarray) -> Normalize:
    """From the first to the last percentile, so that outliers are clipped."""
    low, high = np.percentile(values, (1, 99))
    return Normalize(low, high, clip=True)


def _with_title(picture: np.ndarray, title: str) -> np.ndarray:
    """Put a line of text above a picture."""
    line = np.full((28, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(
        line,
        title,
        (6, 20),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.55,
        (0, 0, 0),
        1,
        cv2.LINE_AA,
    )
    return np.vstack([line, picture])
