"""Predictions of a test run as annotated videos."""

import os.path as osp
from typing import List, Optional, Sequence

import torch
from mmaction.structures import ActionDataSample
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor

from ..datasets.pipelines import find_class_names, find_paths
from ..models import predicts_probabilities
from ..registry import HOOKS
from ..video import write_video
from ..video_files import name_outputs
from ..visualization.predictions import (
    annotate_frames,
    class_name,
    top_scores,
)


@HOOKS.register_module()
class PredictionVideoHook(Hook):
    """Write every `interval`-th sample with its scores while testing.

    Stands in for mmaction2's `VisualizationHook`, which expects clips without
    a view axis and never draws the prediction; `test.py --show-dir` switches
    it on. What is drawn is the first view as the model sees it. The file of a
    video has its path below the folder that all videos have in common, see
    `video_files.name_outputs`, or the number of the sample where the data set
    does not tell its path.

    Args:
        enable (bool): Whether to write anything.
        interval (int): Samples from one video to the next.
        out_dir (str, optional): Folder of the videos.
        wrong_only (bool): Leave out the samples whose best class is a true
            one, or whose true classes are not known.
        fps (float): Frames per second of the videos.
        show (bool): Must be False. mmaction2's own test.py sets it, and
            `wait_time`, with its --show-dir as well.
        wait_time (float): Not used.

    Raises:
        ValueError: It is enabled without `out_dir` or with `show`.
    """

    def __init__(
        self,
        enable: bool = False,
        interval: int = 1,
        out_dir: Optional[str] = None,
        wrong_only: bool = False,
        fps: float = 8,
        show: bool = False,
        wait_time: float = 2,
    ) -> None:
        if enable and (show or out_dir is None):
            raise ValueError(
                'predictions are written to files, not shown in a window: '
                'give --show-dir FOLDER (out_dir), without --show'
            )
        if interval < 1:
            raise ValueError(f'interval must be at least 1, got {interval}')
        self.enable = enable
        self.interval = interval
        self.out_dir = out_dir
        self.wrong_only = wrong_only
        self._names: Optional[List[str]] = None
        self.fps = fps

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict,
        outputs: Sequence,
    ) -> None:
        """Write those samples of this batch that are selected."""
        if not self.enable:
            return
        dataset = runner.test_dataloader.dataset
        if batch_idx == 0:
            print_log(f'writing annotated videos to {self.out_dir}', 'current')
            paths = find_paths(dataset)
            self._names = paths and name_outputs(paths)
        probabilities = predicts_probabilities(runner.model)
        classes = find_class_names(dataset)
        # Sample i goes to rank i modulo the number of ranks.
        batch_size = runner.test_dataloader.batch_size
        first = batch_idx * batch_size
        for offset, (clip, sample) in enumerate(
            zip(data_batch['inputs'], outputs)
        ):
            number = (first + offset) * runner.world_size + runner.rank
            if number % self.interval:
                continue
            if self.wrong_only and not is_wrong(sample):
                continue
            self._write(number, clip, sample, classes, probabilities)

    def _write(
        self,
        number: int,
        clip: Tensor,
        sample: ActionDataSample,
        classes: Optional[Sequence[str]],
        probabilities: bool,
    ) -> None:
        assert self.out_dir is not None  # as __init__ has checked
        # (views, C, T, H, W) -> (T, H, W, C)
        frames = clip[0].permute(1, 2, 3, 0).to(torch.uint8).cpu().numpy()
        scores = top_scores(sample.pred_score.tolist(), classes)
        truth = true_classes(sample, classes)
        drawn = annotate_frames(frames, scores, truth, probabilities)
        name = f'{number:06d}'
        if self._names:
            # The last of several ranks may have the first samples again.
            name = self._names[number % len(self._names)]
        write_video(osp.join(self.out_dir, f'{name}.mp4'), drawn, self.fps)


def true_labels(sample: ActionDataSample) -> Optional[List[int]]:
    """The numbers of the true classes of a sample; None where unknown."""
    label = sample.gt_label
    if label.numel() == sample.pred_score.numel() > 1:
        return label.nonzero().flatten().tolist()
    if label.numel() == 1 and label >= 0:
        return [int(label)]
    # A list to predict has -1.
    return None


def true_classes(
    sample: ActionDataSample, classes: Optional[Sequence[str]]
) -> Optional[List[str]]:
    """The names of the true classes of a sample; None where unknown."""
    labels = true_labels(sample)
    if labels is None:
        return None
    return [class_name(number, classes) for number in labels]


def is_wrong(sample: ActionDataSample) -> bool:
    """Whether the best class of a sample is known to be none of its own."""
    labels = true_labels(sample)
    return labels is not None and int(sample.pred_score.argmax()) not in labels
