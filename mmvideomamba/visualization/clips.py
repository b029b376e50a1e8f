"""Clips as strips of frames."""

from typing import Mapping

import numpy as np
from matplotlib.figure import Figure

from .style import paper_style


@paper_style
def draw_clips(clips: Mapping[str, np.ndarray], num_frames: int = 8) -> Figure:
    """Draw each clip as a row of evenly spaced frames, with its name.

    Args:
        clips (Mapping[str, np.ndarray]): Name -> (T, H, W, 3) uint8 RGB.
        num_frames (int): Frames drawn of each clip.

    Returns:
        Figure: To be written with `save_figure`.
    """
    figure = Figure(figsize=(num_frames * 0.8 + 1.6, len(clips) * 0.8))
    axes = figure.subplots(len(clips), num_frames, squeeze=False)
    for row, (name, clip) in zip(axes, clips.items()):
        taken = np.linspace(0, len(clip) - 1, num_frames).round().astype(int)
        for axis, frame in zip(row, clip[taken]):
            axis.imshow(frame)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(
            name.replace('_', '\n'),
            rotation='horizontal',
            ha='right',
            va='center',
        )
    return figure
