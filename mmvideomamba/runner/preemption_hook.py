"""Runs that can be interrupted at any time: saved inside an epoch."""

import os
import os.path as osp
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional, Sequence

import torch
from mmengine.dist import (
    all_gather_object,
    barrier,
    is_distributed,
    is_main_process,
)
from mmengine.hooks import EMAHook, Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner

from ..files import write_text
from ..registry import HOOKS
from .data_position import DataPosition
from .resumed_loops import goes_on_inside_epochs
from .warning_signals import Vote, WarningSignals

INTERRUPTED_EXIT_CODE = 75
"""Of a training that a warning ended: saved, to be resumed. It is EX_TEMPFAIL
of sysexits.h, 'try again later'."""

CHECKPOINT_NAME = 'in_epoch.pth'
"""The checkpoint inside an epoch, one for a work dir."""

INTERRUPTED_NAME = 'interrupted'
"""A file in the work dir while its run waits to be resumed."""

# What processes wish for; the strongest wish is the highest.
GO_ON, SAVE, STOP = range(3)


class TrainingInterrupted(SystemExit):
    """Ends the process with `INTERRUPTED_EXIT_CODE`."""

    def __init__(self) -> None:
        super().__init__(INTERRUPTED_EXIT_CODE)


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Save a run inside an epoch, in intervals and when it is to end.

    The whole state is saved as `in_epoch.pth`, which `--resume` takes up with
    the next clip that was not seen. The next checkpoint of CheckpointHook
    replaces it. With `accumulative_counts`, it is saved after a step of the
    optimizer.

    SIGTERM and SIGUSR1 end a training after the current iteration, or the
    next in several processes, with exit code 75; a second one ends it at
    once. A validation that is cut short is made up for by the resumed run.

    Args:
        interval_minutes (float, optional): From one checkpoint to the next,
            of either hook. None: go by the other interval, or by signals.
        interval_iters (int, optional): The same in iterations.

    Raises:
        ValueError: An interval is not positive.
    """

    # After those that finish an iteration, CheckpointHook among them.
    priority = 'LOWEST'

    def __init__(
        self,
        interval_minutes: Optional[float] = 30,
        interval_iters: Optional[int] = None,
    ) -> None:
        for name, interval in (
            ('interval_minutes', interval_minutes),
            ('interval_iters', interval_iters),
        ):
            if interval is not None and not interval > 0:
                raise ValueError(
                    f'PreemptionHook.{name}: expected a number above 0, or '
                    f'None for no such interval, got {interval!r}'
                )
        self.interval_minutes = interval_minutes
        self.interval_iters = interval_iters
        self._signals = WarningSignals()
        self._vote = Vote()
        self._trains = False
        self._val_iters = 0

    def before_train(self, runner: Runner) -> None:
        """Heed warnings from here on."""
        if not goes_on_inside_epochs(runner.train_loop):
            runner.logger.warning(
                f'{type(runner.train_loop).__name__} cannot be resumed inside '
                'an epoch: PreemptionHook saves nothing, and warnings end '
                'the training'
            )
            return
        self._trains = True
        self._regular = runner.message_hub.get_info('last_ckpt')
        self._note_saved(runner.iter)
        # What the run was resumed from may lie in another folder.
        self._on_disk: Optional[int] = None
        if is_main_process():
            _remove(runner, INTERRUPTED_NAME)
        self._signals.catch()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Save, and perhaps end, where a step of the optimizer is over."""
        if not self._trains:
            return
        over = runner.iter + 1
        self._look_for_regular(runner, over)
        if not _has_stepped(runner.optim_wrapper):
            return
        agreed = self._vote(self._wish(over))
        if agreed == GO_ON:
            return
        # All have agreed now: what is wished meanwhile is the same.
        self._vote.close()
        if self._on_disk != over:
            self._save(runner, over)
        if agreed == STOP:
            self._end(runner, over)

    def after_train_epoch(self, runner: Runner) -> None:
        """Let the checkpoint of the epoch replace ours."""
        if self._trains:
            self._look_for_regular(runner, runner.iter)

    def before_val_epoch(self, runner: Runner) -> None:
        """Count the iterations that all processes make."""
        self._val_iters = 0
        if self._trains:
            self._val_iters = min(
                all_gather_object(len(runner.val_dataloader))
            )

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Optional[Sequence] = None,
    ) -> None:
        """End; the resumed run validates first."""
        if batch_idx >= self._val_iters or not _has_stepped(
            runner.optim_wrapper
        ):
            return
        if self._vote(STOP if self._signals.received else GO_ON) == STOP:
            if self._on_disk != runner.iter:
                _take_back_validation(runner)
                self._save(runner, runner.iter)
            self._end(runner, runner.iter)

    def after_val_epoch(
        self, runner: Runner, metrics: Optional[dict] = None
    ) -> None:
        """Let the checkpoint of a new best model replace ours."""
        if self._trains:
            self._look_for_regular(runner, runner.iter)

    def after_train(self, runner: Runner) -> None:
        """Leave warnings to others: there is nothing left to save."""
        if self._trains:
            self._trains = False
            self._vote.close()
            self._signals.release()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Record in every checkpoint how far it is in the data."""
        if not self._trains:
            return
        loop, meta = runner.train_loop, checkpoint['meta']
        iterations = 0
        if isinstance(loop, EpochBasedTrainLoop):
            iterations = meta['iter'] - meta['epoch'] * len(loop.dataloader)
        position = DataPosition.in_loader(loop.dataloader, iterations)
        meta['data_position'] = position._asdict()

    def _wish(self, over: int) -> int:
        """What this process wants after so many iterations."""
        if self._signals.received:
            return STOP
        iters, minutes = self.interval_iters, self.interval_minutes
        if iters is not None and over - self._saved_iter >= iters:
            return SAVE
        if (
            minutes is not None
            and is_main_process()  # one clock is enough
            and time.monotonic() - self._saved_at >= 60 * minutes
        ):
            return SAVE
        return GO_ON

    def _save(self, runner: Runner, over: int) -> None:
        runner.save_checkpoint(
            runner.work_dir,
            CHECKPOINT_NAME,
            save_param_scheduler=runner.param_schedulers is not None,
            meta=dict(epoch=runner.epoch, iter=over),
            by_epoch=False,
        )
        if is_main_process():
            write_text(
                osp.join(runner.work_dir, 'last_checkpoint'),
                osp.join(runner.work_dir, CHECKPOINT_NAME),
            )
        self._note_saved(over)
        runner.logger.info(f'Saved {CHECKPOINT_NAME} at iteration {over}')

    def _note_saved(self, over: int) -> None:
        self._on_disk = self._saved_iter = over
        self._saved_at = time.monotonic()

    def _look_for_regular(self, runner: Runner, over: int) -> None:
        """Remove our checkpoint where CheckpointHook has saved one."""
        last = runner.message_hub.get_info('last_ckpt')
        if last == self._regular:
            return
        self._regular = last
        self._note_saved(over)
        if is_main_process():
            latest = Path(runner.work_dir, 'last_checkpoint')
            if latest.read_text().strip() == last:
                _remove(runner, CHECKPOINT_NAME)

    def _end(self, runner: Runner, over: int) -> None:
        """End all processes; the checkpoint is on disk."""
        self._signals.ignore()
        warning = self._signals.received
        runner.logger.warning(
            f'Interrupted by {warning.name if warning else "another process"}'
            f' after iteration {over}. --resume goes on from there; exit '
            f'code {INTERRUPTED_EXIT_CODE}'
        )
        runner.visualizer.close()
        if is_main_process():
            write_text(osp.join(runner.work_dir, INTERRUPTED_NAME), '')
        if is_distributed():
            # Launchers end all processes when the first one ends.
            barrier()
            torch.distributed.destroy_process_group()
        raise TrainingInterrupted


def _remove(runner: Runner, name: str) -> None:
    with suppress(FileNotFoundError):
        os.remove(osp.join(runner.work_dir, name))


def _has_stepped(optim_wrapper: Any) -> bool:
    """Whether no gradients wait to be accumulated with others."""
    wrappers = [optim_wrapper]
    if isinstance(optim_wrapper, OptimWrapperDict):
        wrappers = list(optim_wrapper.values())
    return all(
        wrapper.should_update()
        for wrapper in wrappers
        if isinstance(wrapper, OptimWrapper)
    )


def _take_back_validation(runner: Runner) -> None:
    """Bring a run in validation to the state before it."""
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            # The averaged weights are in the model meanwhile.
            hook._swap_ema_parameters()
    runner.message_hub.update_info('loop_stage', 'train')
