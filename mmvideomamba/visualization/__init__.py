"""Figures of the paper's kind, drawn without pyplot's global state."""

from .scan_orders import draw_scan_orders
from .style import save_figure

__all__ = ['draw_scan_orders', 'save_figure']
