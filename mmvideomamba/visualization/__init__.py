"""Figures of the paper's kind, drawn without pyplot's global state."""

from .scan_orders import draw_scan_orders
from .style import save_figure
from .training_curve import draw_training_curve

__all__ = ['draw_scan_orders', 'draw_training_curve', 'save_figure']
