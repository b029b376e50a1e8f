"""Data sets, their list files and the transforms of their pipelines."""

from .checked_video_dataset import (
    CheckedRepeatAugDataset,
    CheckedVideoDataset,
)
from .transforms import (
    LongSideThreeCrop,
    ReorderFrames,
    VideoRandAugment,
)

__all__ = [
    'CheckedRepeatAugDataset',
    'CheckedVideoDataset',
    'LongSideThreeCrop',
    'ReorderFrames',
    'VideoRandAugment',
]
