"""Figures of the paper's kind, drawn without pyplot's global state."""

from .bars import draw_accuracies
from .block_curves import draw_block_curves
from .clips import draw_clips
from .costs import draw_costs, draw_growth
from .scan_orders import draw_scan_orders
from .style import save_figure
from .token_maps import draw_token_maps, make_overlay_frames
from .training_curve import draw_training_curve

__all__ = [
    'draw_accuracies',
    'draw_clips',
    'draw_block_curves',
    'draw_costs',
    'draw_growth',
    'draw_scan_orders',
    'draw_token_maps',
    'draw_training_curve',
    'make_overlay_frames',
    'save_figure',
]
