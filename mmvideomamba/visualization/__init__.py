"""Figures, the paper's among them, drawn without pyplot's global state.

figure1_costs           time, memory and parameters of models
figure2b_scan_orders    scan orders over the token grid
figure4_token_maps      maps of delta, or of another quantity, over frames
growth                  time and memory over the number of frames
overview                a model on one clip: tokens, scan orders, delta, answer
accuracy_bars, block_curves, clips, confusion, predictions,
time_line, training_curve
style                   how they all look, and how they are written
"""

from .accuracy_bars import draw_accuracies
from .block_curves import draw_block_curves
from .clips import draw_clips
from .confusion import draw_confusion
from .figure1_costs import draw_costs
from .figure2b_scan_orders import draw_scan_orders
from .figure4_token_maps import save_token_maps
from .growth import draw_growth
from .overview import draw_overview
from .style import save_figure
from .time_line import draw_time_line
from .training_curve import draw_training_curve

__all__ = [
    'draw_accuracies',
    'draw_block_curves',
    'draw_clips',
    'draw_confusion',
    'draw_costs',
    'draw_growth',
    'draw_overview',
    'draw_scan_orders',
    'draw_time_line',
    'draw_training_curve',
    'save_figure',
    'save_token_maps',
]
