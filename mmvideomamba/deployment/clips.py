"""Clips to compare an exported recognizer with the model on."""

from typing import List, Tuple

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..datasets.motion_shapes import CLASSES, make_clip
from ..datasets.pipelines import has_several_labels
from ..progress import track
from ..registry import DATASETS


def draw_clips(count: int, frames: int, size: int) -> np.ndarray:
    """(count, frames, size, size, 3) uint8: clips of MotionShapes."""
    rng = np.random.default_rng(0)
    labels = (i % len(CLASSES) for i in range(count))
    return np.stack([make_clip(i, rng, frames, size) for i in labels])


def read_test_set(config: Config) -> Tuple[List[np.ndarray], List[int]]:
    """Read the test set of a config, with a progress bar.

    Returns:
        tuple: Of each video its views, (V, T, H, W, 3) uint8, and its label.

    Raises:
        ValueError: Videos have several labels.
    """
    init_default_scope(config.get('default_scope', 'mmaction'))
    dataset = DATASETS.build(config.test_dataloader.dataset)
    if has_several_labels(dataset):
        raise ValueError('expected a test set with one label for each video')
    videos, labels = [], []
    for data in track(dataset, len(dataset)):
        views = data['inputs'].permute(0, 2, 3, 4, 1)
        videos.append(views.contiguous().numpy())
        labels.append(int(data['data_samples'].gt_label))
    return videos, labels
