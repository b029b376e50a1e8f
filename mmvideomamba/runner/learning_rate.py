"""The learning rate that a run has: scaled by its batch, resumed by epochs.

Repairs of mmengine's runners, like those of `compat`, but in need of the data
sets: https://github.com/open-mmlab/mmengine/issues/894
"""

import logging
from contextlib import contextmanager
from copy import deepcopy
from functools import wraps
from types import SimpleNamespace
from typing import Any, Iterator, List, Optional, Union
from unittest import mock

from mmengine._strategy import BaseStrategy
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict, _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, FlexibleRunner, Runner
from mmengine.runner import _flexible_runner as flexible
from mmengine.runner.utils import _get_batch_size
from torch.utils.data import DataLoader

from ..datasets.pipelines import leaf_datasets
from .data_position import DataPosition, restore_order
from .resumed_settings import (
    settings_of,
    warn_of_finished_run,
    warn_of_kept_settings,
)


def repair_learning_rates() -> None:
    """Repair both runners of mmengine; a second call changes nothing."""
    if hasattr(Runner.scale_lr, '__wrapped__'):
        return
    Runner.scale_lr = _scale_by_effective_batch(Runner.scale_lr)
    BaseStrategy._scale_lr = _scale_by_accumulation(BaseStrategy._scale_lr)
    flexible._get_batch_size = _batch_size
    for runner_type in (Runner, FlexibleRunner):
        runner_type.resume = _resume_by_epochs(runner_type.resume)


def require_base_batch_size(auto_scale_lr: Optional[dict]) -> float:
    """The batch that the learning rate is for.

    Args:
        auto_scale_lr (dict, optional): This setting of a config.

    Raises:
        ValueError: Its `base_batch_size` is missing or no number above 0.
    """
    base = (auto_scale_lr or {}).get('base_batch_size')
    if not isinstance(base, (int, float)) or base <= 0:
        raise ValueError(
            'expected auto_scale_lr.base_batch_size, the batch that the '
            f'learning rate is for, above 0, got {base!r}'
        )
    return base


def _scale_by_effective_batch(scale_lr: Any) -> Any:
    """`Runner.scale_lr` that counts accumulated batches and repeated clips.

    mmengine counts processes and `batch_size` alone.
    """

    @wraps(scale_lr)
    def scale(
        self: Runner,
        optim_wrapper: OptimWrapper,
        auto_scale_lr: Optional[dict] = None,
    ) -> None:
        if (auto_scale_lr or {}).get('enable'):
            base = require_base_batch_size(auto_scale_lr)
            batch = _batch_size(self.train_dataloader)
            accumulated = _accumulative_counts(optim_wrapper)
            _log_effective_batch(self.world_size, batch, accumulated)
            clips = self.world_size * batch * accumulated
            _scale_base_rate(optim_wrapper, clips / base)
            # All that mmengine reads of a runner.
            self = SimpleNamespace(
                world_size=self.world_size,
                _train_dataloader=dict(batch_size=batch * accumulated),
                param_schedulers=self.param_schedulers,
                logger=self.logger,
            )
        scale_lr(self, optim_wrapper, auto_scale_lr)

    return scale


def _scale_by_accumulation(scale_lr: Any) -> Any:
    """The same for the strategies of `FlexibleRunner`."""

    @wraps(scale_lr)
    def scale(self: BaseStrategy) -> None:
        settings, key = self.dispatch_kwargs, 'train_micro_batch_size_per_gpu'
        if not (self._auto_scale_lr or {}).get('enable'):
            return
        base = require_base_batch_size(self._auto_scale_lr)
        accumulated = _accumulative_counts(self.optim_wrapper)
        _log_effective_batch(self.world_size, settings[key], accumulated)
        clips = self.world_size * settings[key] * accumulated
        _scale_base_rate(self.optim_wrapper, clips / base)
        with mock.patch.dict(settings, {key: settings[key] * accumulated}):
            scale_lr(self)

    return scale


def _batch_size(dataloader: Union[DataLoader, dict]) -> int:
    """Clips that a process reads in one iteration."""
    batch_size = _get_batch_size(dataloader)
    if isinstance(dataloader, dict):
        return batch_size
    repeats = {
        getattr(dataset, 'num_repeats', 1)
        for dataset in leaf_datasets(dataloader.dataset)
    }
    if len(repeats) > 1:
        raise ValueError(
            'expected one num_repeats for all data sets of the '
            f'train_dataloader, got {sorted(repeats)}: the batch has no one '
            'size that the learning rate could be scaled with'
        )
    return batch_size * repeats.pop()


def _accumulative_counts(optim_wrapper: OptimWrapper) -> int:
    """Iterations between two steps of the optimizer."""
    counts = {
        getattr(wrapper, '_accumulative_counts', 1)
        for wrapper in _wrappers(optim_wrapper)
    }
    if len(counts) > 1:
        raise ValueError(
            'expected one accumulative_counts for all optimizers, got '
            f'{sorted(counts)}: scale their learning rates by hand'
        )
    return counts.pop()


def _scale_base_rate(optim_wrapper: OptimWrapper, ratio: float) -> None:
    """Scale `base_lr` of the log, which is of no group: mmengine does not."""
    for wrapper in _wrappers(optim_wrapper):
        settings = getattr(wrapper, 'base_param_settings', None)
        if settings is not None:
            settings['lr'] *= ratio


def _wrappers(optim_wrapper: OptimWrapper) -> List[OptimWrapper]:
    if isinstance(optim_wrapper, OptimWrapperDict):
        return list(optim_wrapper.values())
    return [optim_wrapper]


def _log_effective_batch(processes: int, batch: int, accumulated: int) -> None:
    print_log(
        f'Effective batch of {processes * batch * accumulated} clips: '
        f'{processes} processes x {batch} clips x {accumulated} accumulated '
        'iterations',
        'current',
    )


def _resume_by_epochs(resume: Any) -> Any:
    """`resume` that counts iterations anew where epochs have others.

    mmengine takes the number of iterations from the checkpoint, with the
    schedules as they were built then. With another number of processes,
    another batch size or another list of videos, an epoch has another number
    of iterations, and the schedules would go on at a place that belongs to no
    epoch. Inside an epoch, the run goes on after the clips that were seen.
    """

    @wraps(resume)
    def resume_by_epochs(self: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(self, Runner):
            # As `resume` itself does later.
            self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
            if self.param_schedulers is not None:
                self.param_schedulers = self.build_param_scheduler(
                    self.param_schedulers
                )
        loop = self.train_loop
        config = settings_of(self.optim_wrapper, self.param_schedulers)
        fresh = _Schedules(self.optim_wrapper, self.param_schedulers)
        with _reading_meta(self) as meta:
            resume(self, *args, **kwargs)
        _count_steps(self.param_schedulers, loop.iter)
        position = DataPosition.of_meta(meta)
        restore_order(loop.dataloader, position)
        if isinstance(loop, EpochBasedTrainLoop):
            _count_anew(self, loop, fresh, position)
        warn_of_kept_settings(
            config, settings_of(self.optim_wrapper, self.param_schedulers)
        )
        warn_of_finished_run(loop)

    return resume_by_epochs


def _count_anew(
    runner: Any,
    loop: EpochBasedTrainLoop,
    fresh: '_Schedules',
    position: Optional[DataPosition],
) -> None:
    """Go on after the same clips, if epochs have other iterations now."""
    done = position.iterations_in(loop.dataloader) if position else 0
    epoch_length = loop.max_iters // loop.max_epochs
    counted, expected = loop.iter, loop.epoch * epoch_length + (done or 0)
    if counted == expected:
        return
    fresh.restore_at(loop.epoch, epoch_length, expected, counted)
    loop._iter = expected
    runner.optim_wrapper.initialize_count_status(
        runner.model, expected, loop.max_iters
    )
    rates = runner.optim_wrapper.get_lr().get('lr', [])
    print_log(
        f'The checkpoint counted {counted} iterations in {loop.epoch} '
        f'epochs{_describe(position)}; an epoch now has {epoch_length} '
        '(batch size, processes or videos changed). Going on at iteration '
        f'{expected} of {loop.max_iters}, where the schedule of the config '
        f'gives the learning rate {max(rates, default=0):.4g}.'
        + (' The epoch begins again.' if done is None else ''),
        'current',
        level=logging.WARNING,
    )


def _count_steps(schedulers: Any, steps: int) -> None:
    """Let schedules know that the optimizers have stepped before them.

    At the end of an epoch, they would warn of the reverse.
    """
    if isinstance(schedulers, dict):
        schedulers = [s for several in schedulers.values() for s in several]
    for scheduler in schedulers or []:
        scheduler.optimizer._global_step = steps - 1


def _describe(position: Optional[DataPosition]) -> str:
    if position is None or not position.iterations:
        return ''
    return (
        f' and {position.iterations} batches of {position.batch} clips of '
        'the next'
    )


class _ReadMetaHook(Hook):
    """Keeps what a checkpoint says of itself."""

    def __init__(self) -> None:
        self.meta: dict = {}

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        self.meta.update(checkpoint.get('meta', {}))


@contextmanager
def _reading_meta(runner: Any) -> Iterator[dict]:
    """The meta of a checkpoint that the runner reads meanwhile."""
    hook = _ReadMetaHook()
    runner.register_hook(hook)
    try:
        yield hook.meta
    finally:
        runner.hooks.remove(hook)


class _Schedules:
    """Learning rates and schedules as a config builds them.

    Args:
        optim_wrapper (OptimWrapper): What they change.
        schedulers (list[_ParamScheduler], optional): At their first step.
    """

    def __init__(
        self,
        optim_wrapper: OptimWrapper,
        schedulers: Optional[List[_ParamScheduler]],
    ) -> None:
        self.optim_wrapper = optim_wrapper
        self.schedulers = schedulers or []
        if not isinstance(self.schedulers, list):
            return  # of several optimizers; `restore_at` refuses them
        names = {scheduler.param_name for scheduler in self.schedulers}
        # What momentum is called in Adam and its relatives.
        names |= {'betas'} if 'momentum' in names else set()
        names |= {
            f'{prefix}_{name}'
            for prefix in ('initial', 'min', 'max')  # OneCycleLR's
            for name in names
        }
        self.values = [
            {name: group[name] for name in names if name in group}
            for group in optim_wrapper.param_groups
        ]
        self.states = deepcopy([s.state_dict() for s in self.schedulers])

    def restore_at(
        self, epoch: int, epoch_length: int, iterations: int, counted: int
    ) -> None:
        """Set everything as after so many epochs and iterations.

        Raises:
            ValueError: They cannot be stepped without training.
        """
        if not isinstance(self.schedulers, list) or any(
            getattr(s, 'need_val_args', False) for s in self.schedulers
        ):
            raise ValueError(
                f'cannot resume: the checkpoint counted {counted} iterations '
                f'in {epoch} epochs, an epoch now has {epoch_length}, and '
                'schedules by validation results, or of several optimizers, '
                'cannot be moved. Resume with the number of processes, the '
                'batch size and the videos of the first run, or start a new '
                'run from its weights with load_from'
            )
        # Hundreds of groups have a few values among them: one step of each.
        kinds: List[dict] = []
        for values in self.values:
            if values not in kinds:
                kinds.append(values)
        kind_of = [kinds.index(values) for values in self.values]
        first_of = [kind_of.index(kind) for kind in range(len(kinds))]
        optimizer = SimpleNamespace(
            param_groups=[dict(kind) for kind in kinds],
            # Steps of the optimizer come first, says mmengine; they have.
            step=self.optim_wrapper.step,
            _global_step=0,
        )
        for scheduler, state in zip(self.schedulers, self.states):
            base_values = [state['base_values'][first] for first in first_of]
            scheduler.load_state_dict(dict(state, base_values=base_values))
            scheduler.optimizer = optimizer
        self._step(epoch, epoch_length, iterations)
        for scheduler, state in zip(self.schedulers, self.states):
            scheduler.optimizer = self.optim_wrapper
            scheduler.base_values = state['base_values']
            scheduler._last_value = [scheduler._last_value[k] for k in kind_of]
        for group, kind in zip(self.optim_wrapper.param_groups, kind_of):
            group.update(optimizer.param_groups[kind])

    def _step(self, epochs: int, epoch_length: int, iterations: int) -> None:
        """Step the schedules as the runner does until then."""
        by_epoch = [s for s in self.schedulers if s.by_epoch]
        by_iteration = [s for s in self.schedulers if not s.by_epoch]
        ends = range(epoch_length, epochs * epoch_length + 1, epoch_length)
        for iteration in range(1, iterations + 1):
            for scheduler in by_iteration:
                scheduler.step()
            if iteration in ends:
                for scheduler in by_epoch:
                    scheduler.step()
