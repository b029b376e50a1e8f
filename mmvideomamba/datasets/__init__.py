"""Transforms and the MotionShapes sample data set."""

from .transforms import ReorderFrames, VideoRandAugment

__all__ = ['ReorderFrames', 'VideoRandAugment']
