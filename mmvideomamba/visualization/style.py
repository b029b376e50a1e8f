"""How every figure of the project looks, and how it is written.

Figures are made with `Figure()`, not pyplot: nothing stays open, no display
is needed, and the look is held by a context that ends with the function:

    @paper_style
    def draw_something(...) -> Figure:
"""

import io
from pathlib import Path
from typing import Any, List, Sequence, Tuple, Union

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    NullFormatter,
    NullLocator,
)

from ..files import write_bytes

# Okabe and Ito's palette, distinct for every kind of colour vision.
COLORS = (
    '#0072B2',  # blue
    '#E69F00',  # orange
    '#009E73',  # green
    '#CC79A7',  # purple
    '#D55E00',  # vermilion
    '#56B4E9',  # sky blue
)
GREY = '#6B6B6B'
# Ordered quantities: monotone in lightness, so it survives a grey printer.
COLORMAP = 'viridis'

LOG_TICKS = (1, 2, 5)  # and ten, a hundred, ... times as much

# As a decorator; the settings before a call come back after it.
paper_style = matplotlib.rc_context(
    {
        'font.family': 'sans-serif',
        'font.size': 9,
        'axes.titlesize': 9,
        'axes.labelsize': 9,
        'axes.linewidth': 0.8,
        'axes.spines.top': False,
        'axes.spines.right': False,
        'axes.prop_cycle': cycler(color=COLORS),
        'axes.grid': False,
        'grid.color': '#DDDDDD',
        'grid.linewidth': 0.6,
        'legend.frameon': False,
        'legend.fontsize': 8,
        'xtick.labelsize': 8,
        'ytick.labelsize': 8,
        'lines.linewidth': 1.6,
        'figure.constrained_layout.use': True,
        # Letters stay letters in the PDF.
        'pdf.fonttype': 42,
    }
)


@paper_style
def save_figure(figure: Figure, path: Union[str, Path]) -> Tuple[Path, Path]:
    """Write a figure as PDF for papers and as PNG for pages.

    Args:
        figure (Figure): What to write.
        path (str | Path): Where; `.pdf` and `.png` replace its suffix if it
            is one of them and are added to the name otherwise. Missing
            folders are made.

    Returns:
        tuple: The two paths, PDF first.
    """
    path = Path(path)
    stem = path.with_suffix('') if path.suffix in ('.pdf', '.png') else path
    pdf, png = (stem.with_name(stem.name + s) for s in ('.pdf', '.png'))
    # No date inside: the same figure gives the same file.
    write_bytes(pdf, _draw(figure, 'pdf', metadata={'CreationDate': None}))
    write_bytes(png, _draw(figure, 'png', dpi=200))
    return pdf, png


def _draw(figure: Figure, kind: str, **options: Any) -> bytes:
    # In memory: Pillow, which writes the PNG, would hide the cause of an
    # error.
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def set_log_axes(
    ax: Axes, across: Sequence[float], upward: Sequence[float]
) -> None:
    """Make both axes logarithmic, with ticks written as 1, 2, 5, 10, ...

    Args:
        ax (Axes): What the values are drawn in.
        across (Sequence[float]): Values along x, which set its limits.
        upward (Sequence[float]): Values along y.
    """
    ax.set(xscale='log', yscale='log')
    for axis, values in ((ax.xaxis, across), (ax.yaxis, upward)):
        low, high = min(values) / 1.5, max(values) * 1.5
        axis.set_major_locator(FixedLocator(_round_numbers(low, high)))
        axis.set_major_formatter(FuncFormatter(lambda v, _: f'{v:g}'))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    ax.set_xlim(min(across) / 1.5, max(across) * 1.5)
    ax.set_ylim(min(upward) / 2, max(upward) * 2)
    ax.grid(True)
    ax.set_axisbelow(True)


def _round_numbers(low: float, high: float) -> List[float]:
    decades = range(int(np.floor(np.log10(low))), int(np.log10(high)) + 1)
    ticks = [tick * 10.0**decade for decade in decades for tick in LOG_TICKS]
    return [tick for tick in ticks if low <= tick <= high]
