"""Training loops that go on where the checkpoint was saved.

Repairs of mmengine's loops, which begin an epoch anew, or read all data up to
an iteration again:
https://github.com/open-mmlab/mmengine/issues/1205
https://github.com/open-mmlab/mmengine/issues/1520
"""

import os.path as osp
from functools import wraps
from typing import Any

from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import (
    BaseLoop,
    EpochBasedTrainLoop,
    FlexibleRunner,
    IterBasedTrainLoop,
    loops,
)
from torch.utils.data import DataLoader, IterableDataset

from .data_position import (
    clip_sampler,
    go_on_with,
    index_batches,
    rest_of_epoch,
)
from .warning_signals import shield_workers


def repair_resumed_loops() -> None:
    """Repair mmengine's loops; a second call changes nothing."""
    if hasattr(EpochBasedTrainLoop.run_epoch, '__wrapped__'):
        return
    BaseLoop.__init__ = _shielding_workers(BaseLoop.__init__)
    EpochBasedTrainLoop.run_epoch = _from_inside_an_epoch(
        EpochBasedTrainLoop.run_epoch
    )
    IterBasedTrainLoop.run = _without_reading_again(IterBasedTrainLoop.run)
    for loop in (EpochBasedTrainLoop, IterBasedTrainLoop):
        loop.run = _taking_up(loop.run)
    CheckpointHook.before_train = _knowing_the_last(
        CheckpointHook.before_train
    )
    FlexibleRunner.save_checkpoint = _keeping_meta(
        FlexibleRunner.save_checkpoint
    )


def goes_on_inside_epochs(loop: Any) -> bool:
    """Whether a training loop can begin where another was interrupted."""
    if not _has_indices(loop.dataloader):
        return False
    if isinstance(loop, IterBasedTrainLoop):
        return type(loop).run is IterBasedTrainLoop.run
    run_epoch = getattr(type(loop), 'run_epoch', None)
    return run_epoch is EpochBasedTrainLoop.run_epoch


def iterations_of_epoch(loop: EpochBasedTrainLoop) -> int:
    """Iterations of the current epoch that are over."""
    return loop.iter - loop.epoch * len(loop.dataloader)


def _has_indices(loader: Any) -> bool:
    """Whether samples are read by an index, which can be skipped."""
    return isinstance(loader, DataLoader) and not isinstance(
        loader.dataset, IterableDataset
    )


def _shielding_workers(init: Any) -> Any:
    """Loops whose workers leave warnings of an end to the training."""

    @wraps(init)
    def shield(self: BaseLoop, runner: Any, dataloader: Any) -> None:
        init(self, runner, dataloader)
        if isinstance(self.dataloader, DataLoader):
            shield_workers(self.dataloader)

    return shield


def _from_inside_an_epoch(run_epoch: Any) -> Any:
    """`run_epoch` that begins with the iteration that the run has come to."""

    @wraps(run_epoch)
    def run_rest(self: EpochBasedTrainLoop) -> None:
        done = iterations_of_epoch(self)
        if not done:
            run_epoch(self)
            return
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        rest = rest_of_epoch(self.dataloader, done)
        for index, batch in enumerate(rest, done):
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    return run_rest


class _LateIterator(loops._InfiniteDataloaderIterator):
    """Batches without end, of which the first are skipped and not read.

    Args:
        dataloader (DataLoader): Not iterated before the first batch that is
            not skipped.
        skipped (int): Batches.
    """

    def __init__(self, dataloader: DataLoader, skipped: int) -> None:
        self._dataloader = dataloader
        self._epoch = 0
        self._iterator: Any = None
        self.skipped = skipped
        self._asked = 0

    def __next__(self) -> Any:
        self._asked += 1
        if self._asked <= self.skipped:
            return None
        if self._iterator is None:
            self._iterator = go_on_with(self._dataloader, self._rest())
        return super().__next__()

    def _rest(self) -> Any:
        """The batches of indices after the skipped ones."""
        batches = index_batches(self._dataloader)
        for _ in range(self.skipped):
            try:
                next(batches)
            except StopIteration:
                self._epoch += 1
                sampler = clip_sampler(self._dataloader)
                if hasattr(sampler, 'set_epoch'):
                    sampler.set_epoch(self._epoch)
                batches = index_batches(self._dataloader)
                next(batches)
        return batches


def _without_reading_again(run: Any) -> Any:
    """`IterBasedTrainLoop.run` that skips without reading."""

    @wraps(run)
    def run_rest(self: IterBasedTrainLoop) -> Any:
        if self.iter and _has_indices(self.dataloader):
            self.dataloader_iterator = _LateIterator(
                self.dataloader, self.iter
            )
        return run(self)

    return run_rest


def _taking_up(run: Any) -> Any:
    """`run` that first makes up for what the interrupted one did not do."""

    @wraps(run)
    def take_up(self: Any) -> Any:
        if self.iter:
            info = self.runner.message_hub.runtime_info
            saved = {
                key: info[key] for key in ('epoch', 'iter') if key in info
            }
            hook = _TakeUpHook(_is_to_be_validated(self), saved)
            self.runner.register_hook(hook)
        return run(self)

    return take_up


class _TakeUpHook(Hook):
    """Brings a resumed run to where the interrupted one was.

    Args:
        validate (bool): It was saved and had yet to be validated.
        saved (dict[str, int]): Epoch and iteration of the message hub, which
            are the last ones. RuntimeInfoHook puts the next ones there.
    """

    # After all hooks that get ready to train.
    priority = 'LOWEST'

    def __init__(self, validate: bool, saved: dict) -> None:
        self.validate = validate
        self.saved = saved

    def before_train(self, runner: Any) -> None:
        runner.message_hub.update_info_dict(self.saved)
        if self.validate:
            runner.val_loop.run()


def _is_to_be_validated(loop: Any) -> bool:
    """Whether the loop would validate at the place where it was saved.

    RuntimeInfoHook's `loop_stage` is 'val' in what is saved after that.
    """
    runner = loop.runner
    if (
        runner.val_loop is None
        or not loop.iter
        or runner.message_hub.get_info('loop_stage') != 'train'
    ):
        return False
    loop._decide_current_val_interval()
    if isinstance(loop, IterBasedTrainLoop):
        place, last = loop.iter, loop.max_iters
    else:
        if iterations_of_epoch(loop):
            return False
        place, last = loop.epoch, loop.max_epochs
    return place >= loop.val_begin and (
        place % loop.val_interval == 0 or place == last
    )


def _knowing_the_last(before_train: Any) -> Any:
    """`CheckpointHook` that knows the last checkpoint of the resumed run.

    It saves a new best model's epoch again only where there is one.
    """

    @wraps(before_train)
    def know_last(self: CheckpointHook, runner: Any) -> None:
        before_train(self, runner)
        last = runner.message_hub.get_info('last_ckpt')
        if self.last_ckpt is None and isinstance(last, str):
            # The folder is this run's, whatever run it was resumed from.
            self.last_ckpt = osp.join(self.out_dir, osp.basename(last))

    return know_last


class _KeepMetaHook(Hook):
    """Puts back what `FlexibleRunner.save_checkpoint` overwrites."""

    def __init__(self, meta: dict) -> None:
        self.meta = meta

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        checkpoint['meta'].update(self.meta)


def _keeping_meta(save_checkpoint: Any) -> Any:
    """`FlexibleRunner.save_checkpoint` that takes `meta` as `Runner` does.

    It counts an epoch or an iteration more, which is wrong after one:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/_flexible_runner.py#L1575
    """

    @wraps(save_checkpoint)
    def save(
        self: FlexibleRunner, *args: Any, meta: Any = None, **kwargs: Any
    ) -> None:
        hook = _KeepMetaHook(dict(meta or {}))
        self.register_hook(hook, priority='HIGHEST')
        try:
            save_checkpoint(self, *args, meta=meta, **kwargs)
        finally:
            self._hooks.remove(hook)

    return save
