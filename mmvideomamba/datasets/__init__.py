"""Data sets, their list files and the transforms of their pipelines."""

from .checked_video_dataset import CheckedVideoDataset
from .transforms import (
    LongSideThreeCrop,
    ReorderFrames,
    SegmentSample,
    VideoRandAugment,
)

__all__ = [
    'CheckedVideoDataset',
    'LongSideThreeCrop',
    'ReorderFrames',
    'SegmentSample',
    'VideoRandAugment',
]
