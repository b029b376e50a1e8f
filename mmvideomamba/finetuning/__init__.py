"""From one's own videos to a training: what to start from, and its config."""

from .config import make_config
from .start import (
    TUBELET,
    ClipSize,
    Start,
    fit_clips,
    make_start,
    require_weights_fit,
)

__all__ = [
    'TUBELET',
    'ClipSize',
    'Start',
    'fit_clips',
    'make_config',
    'make_start',
    'require_weights_fit',
]
