"""What a resumed run takes from its checkpoint instead of from the config."""

import inspect
import logging
from copy import deepcopy
from typing import Any, Dict, List, Sequence, Union

from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict, _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

# Name of a setting -> its values, one for each group of parameters.
Settings = Dict[str, List[Any]]


def settings_of(
    optim_wrapper: OptimWrapper,
    schedulers: Union[Sequence[_ParamScheduler], dict, None],
) -> Settings:
    """What an optimizer and its schedules go by, wherever they are.

    Args:
        optim_wrapper (OptimWrapper): Holds the groups of parameters.
        schedulers (Sequence[_ParamScheduler], optional): What changes them.

    Returns:
        dict: Empty for several optimizers.
    """
    settings: Settings = {}
    schedulers = schedulers or ()
    if isinstance(schedulers, dict) or isinstance(
        optim_wrapper, OptimWrapperDict
    ):
        return settings
    moving = {scheduler.param_name for scheduler in schedulers}
    # What momentum is called in Adam and its relatives.
    moving |= {'betas'} if 'momentum' in moving else set()
    for group in optim_wrapper.optimizer.param_groups:
        for name in set(group) - moving - {'params'}:
            values = settings.setdefault(name.replace('initial_', ''), [])
            values.append(group[name])
    for number, scheduler in enumerate(schedulers):
        for name, value in _arguments(scheduler).items():
            place = f'{type(scheduler).__name__}.{name}'
            settings[f'param_scheduler[{number}] {place}'] = [value]
    return settings


def warn_of_kept_settings(config: Settings, resumed: Settings) -> None:
    """Warn where a resumed run has other settings than its config.

    mmengine takes optimizer and schedules whole from the checkpoint, so that
    what has changed in the config since has no effect:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/runner.py

    Args:
        config (dict): `settings_of` what the config builds.
        resumed (dict): The same after the checkpoint was loaded.
    """
    kept = [
        f'{name} {_show(resumed[name])} (config: {_show(config[name])})'
        for name in sorted(config)
        if name in resumed and resumed[name] != config[name]
    ]
    if kept:
        print_log(
            'Going on with settings of the checkpoint that the config has '
            f'changed: {", ".join(kept)}. To train with those of the config, '
            'start a new run from the weights: load_from with resume=False',
            'current',
            level=logging.WARNING,
        )


def warn_of_finished_run(loop: Any) -> None:
    """Warn where a resumed run has nothing left to train."""
    if isinstance(loop, EpochBasedTrainLoop):
        unit, done, limit = 'epoch', loop.epoch, loop.max_epochs
    elif isinstance(loop, IterBasedTrainLoop):
        unit, done, limit = 'iter', loop.iter, loop.max_iters
    else:
        return
    if done >= limit:
        print_log(
            f'Nothing is left to train: the checkpoint is of {unit} {done}, '
            f'and train_cfg.max_{unit}s={limit}',
            'current',
            level=logging.WARNING,
        )


def _arguments(scheduler: _ParamScheduler) -> Dict[str, Any]:
    """What a schedule was built with, without how far it is."""
    names = {
        name
        for part in type(scheduler).__mro__
        if '__init__' in vars(part)
        for name in inspect.signature(part).parameters
    }
    state = scheduler.state_dict()
    names = (names & set(state)) - {'last_step', 'verbose'}
    return {name: deepcopy(state[name]) for name in names}


def _show(values: List[Any]) -> str:
    """The different values of a setting, at most three."""
    texts = list(dict.fromkeys(map(str, values)))
    return '/'.join(texts[:3] + ['...'] * (len(texts) > 3))
