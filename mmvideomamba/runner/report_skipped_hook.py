"""Videos that a training could not read, told at the end of each epoch."""

import logging
from typing import Iterator

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..datasets import CheckedVideoDataset
from ..datasets.pipelines import leaf_datasets
from ..registry import HOOKS


@HOOKS.register_module()
class ReportSkippedHook(Hook):
    """Log which videos `CheckedVideoDataset` skipped, in all processes.

    The data set marks them in memory that its workers share; with
    `on_error='raise'` there is nothing to do.

    Args:
        num_named (int): How many are named; the log has the others where they
            were skipped.

    Raises:
        ValueError: More were skipped than `max_skipped` of the data set
            allows.
    """

    def __init__(self, num_named: int = 10) -> None:
        self.num_named = num_named

    def before_train_epoch(self, runner: Runner) -> None:
        """Forget those of the epoch before."""
        for dataset in _skipping(runner):
            dataset.skipped.zero_()

    def after_train_epoch(self, runner: Runner) -> None:
        """Report those of this epoch."""
        for dataset in _skipping(runner):
            found = all_gather_object(dataset.skipped.nonzero()[:, 0].tolist())
            skipped = sorted({idx for indices in found for idx in indices})
            if not skipped:
                continue
            names = list(map(dataset.name_sample, skipped[: self.num_named]))
            if len(skipped) > len(names):
                names.append(f'and {len(skipped) - len(names)} more')
            lines = ''.join(f'\n    {name}' for name in names)
            runner.logger.log(
                logging.WARNING,
                f'epoch {runner.epoch + 1}: skipped {len(skipped)} of '
                f'{len(dataset)} videos, which cannot be read:{lines}',
            )
            dataset.check_skipped(len(skipped))


def _skipping(runner: Runner) -> Iterator[CheckedVideoDataset]:
    for dataset in leaf_datasets(runner.train_dataloader.dataset):
        if getattr(dataset, 'on_error', 'raise') == 'skip':
            yield dataset
