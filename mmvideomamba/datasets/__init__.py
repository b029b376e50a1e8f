"""Transforms and the MotionShapes sample data set."""

from .checked_video_dataset import CheckedVideoDataset
from .transforms import (
    LongSideThreeCrop,
    ReorderFrames,
    VideoRandAugment,
)

__all__ = [
    'CheckedVideoDataset',
    'LongSideThreeCrop',
    'ReorderFrames',
    'VideoRandAugment',
]
