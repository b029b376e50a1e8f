"""Transforms and the MotionShapes sample data set."""

from .checked_video_dataset import CheckedVideoDataset
from .transforms import ReorderFrames, VideoRandAugment

__all__ = ['CheckedVideoDataset', 'ReorderFrames', 'VideoRandAugment']
