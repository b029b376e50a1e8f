"""Random draws that depend on the sample, not on who reads it and when."""

from contextlib import suppress
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..compat.resuming import seed_of_run
from ..datasets.pipelines import leaf_datasets
from ..datasets.sample_keys import key_samples
from ..models import sample_draws
from ..random_keys import seed_generators, seed_of
from ..registry import HOOKS
from .batches import count_clips


@HOOKS.register_module()
class SampleRandomnessHook(Hook):
    """Make every random draw of a run a function of its key.

    - What a sample draws when it is read: of (seed, epoch, index in the data
      set). With any number of workers and processes, of any data set.
    - What VideoMamba and its head draw for a sample: of (seed, iteration,
      place in the batch of all processes).
    - All else in a process, such as Mixup, CutMix and the dropout of other
      models: of (seed, iteration, rank).

    So a run that is resumed draws what an uninterrupted one draws.
    """

    # Before hooks that leave out samples: places are counted from the first.
    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Give the training samples their keys."""
        self._seed = seed_of_run(runner)
        loader = runner.train_dataloader
        self._sampler = key_samples(loader, self._seed)
        self._repeats = max(
            getattr(dataset, 'num_repeats', 1)
            for dataset in leaf_datasets(loader.dataset)
        )

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the epoch of the keys."""
        self._sampler.key_epoch = runner.epoch
        # For samplers that draw their order from torch's generator.
        seed_generators('epoch', self._seed, runner.epoch)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Seed what the model draws in this iteration."""
        key = self._seed, runner.iter, runner.rank
        seed_generators('iteration', *key)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed(seed_of('cuda', *key) % 2**63)
        samples = max(count_clips(data_batch) // self._repeats, 1)
        sample_draws.begin(self._seed, runner.iter, samples)

    def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
        """Leave models to torch's generators outside of iterations."""
        sample_draws.end()

    def before_val_epoch(self, runner: Runner) -> None:
        """Let every validation read the same clips."""
        _read_alike(runner, runner.val_dataloader)

    def before_test_epoch(self, runner: Runner) -> None:
        """As in validation."""
        _read_alike(runner, runner.test_dataloader)


def _read_alike(runner: Runner, loader: DataLoader) -> None:
    # Others read as they do; a training is told.
    with suppress(TypeError):
        key_samples(loader, seed_of_run(runner)).key_epoch = 0
