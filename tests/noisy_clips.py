"""A data set of clips that are drawn when they are read."""

import numpy as np
import torch
from mmaction.structures import ActionDataSample
from mmengine.dataset import BaseDataset

from mmvideomamba.registry import DATASETS


@DATASETS.register_module()
class NoisyClips(BaseDataset):
    """Noise, plus the number of the sample: (1, 3, 4, 32, 32) in [0, 1).

    Args:
        size (int): Samples, each of a class of its own.
        num_repeats (int): Clips of a sample, as in RepeatAugDataset; more
            than one need its collate function.
    """

    def __init__(self, size, num_repeats=1, test_mode=False):
        self.size, self.num_repeats = size, num_repeats
        # Packing the list takes longer than a run.
        super().__init__(serialize_data=False, test_mode=test_mode)

    def load_data_list(self):
        return [dict(label=index) for index in range(self.size)]

    def prepare_data(self, index):
        clips = [self._draw(index) for _ in range(self.num_repeats)]
        return clips if self.num_repeats > 1 else clips[0]

    def _draw(self, index):
        clip = np.random.rand(1, 3, 4, 32, 32).astype(np.float32)
        sample = ActionDataSample().set_gt_label(index)
        return dict(inputs=torch.from_numpy(clip) + index, data_samples=sample)
