"""The state of a run in a checkpoint, compared with the run that takes it.

Optimizers, schedulers and the message hub take what they are given: torch's
fused AdamW writes past the end of a moment that is too small, a scheduler
takes attributes of any name. So numbers are taken from a checkpoint where the
run has numbers of this kind, and everything else is the config's.
"""

import math
from numbers import Integral, Number
from typing import Any, Dict, List, Optional, Sequence

import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor
from torch.optim import Optimizer

from .tensor_checks import is_finite, why_no_weight

# Numbers of torch's and others' optimizers that have the parameter's shape.
MOMENTS = (
    *('exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'exp_inf'),
    *('momentum_buffer', 'square_avg', 'grad_avg', 'acc_delta'),
    *('sum', 'ax', 'prev', 'step_size'),
)
NOT_NEGATIVE = ('step', 'exp_avg_sq', 'max_exp_avg_sq', 'square_avg')
# What Adam and AdamW cannot step without.
ADAM = {'step', 'exp_avg', 'exp_avg_sq'}


def fit(theirs: Any, ours: Any, name: str) -> Any:
    """Take a setting from a checkpoint if it is of numbers.

    Args:
        theirs: The value in the checkpoint.
        ours: The value that the config gives.
        name (str): Of the setting.

    Returns:
        `theirs` where both are finite numbers, or lists or dicts of them; or
        else `ours`.

    Raises:
        ValueError: Ours are numbers, theirs are not.
    """
    if isinstance(ours, (list, tuple)):
        if not isinstance(theirs, (list, tuple)) or len(theirs) != len(ours):
            raise _other(theirs, f'a list of {len(ours)}', name)
        return type(ours)(fit(a, b, name) for a, b in zip(theirs, ours))
    if isinstance(ours, dict):
        if not isinstance(theirs, dict):
            raise _other(theirs, 'a dict', name)
        if theirs.keys() == ours.keys():
            return type(ours)(
                {key: fit(theirs[key], ours[key], name) for key in ours}
            )
        return type(ours)(
            {fit(k, 0, name): fit(v, 0, name) for k, v in theirs.items()}
        )
    if ours is None and _is_number(theirs) or _is_number(ours):
        if isinstance(theirs, Tensor) and theirs.numel() == 1:
            theirs = theirs.item()
        infinite = isinstance(ours, float) and math.isinf(ours)
        if (
            not _is_number(theirs)
            or (isinstance(theirs, int) and abs(theirs) > 2**63)
            or math.isnan(theirs)
            or not (infinite or math.isfinite(theirs))
        ):
            raise _other(theirs, 'a finite number', name)
        return theirs
    if isinstance(ours, Tensor) and ours.numel() == 1:
        return torch.full_like(ours, fit(theirs, 0.0, name))
    return ours


def fit_optimizer(state: Any, optimizer: Optimizer) -> Dict[str, Any]:
    """Make a state that `optimizer` can load; nothing is loaded yet.

    Args:
        state (dict): As `Optimizer.state_dict` gives it.
        optimizer: Gives parameters and settings.

    Returns:
        dict: Moments as they are; numbers of the groups, such as learning
        rates, from `state`, and all other settings (`fused`, ...) from
        `optimizer`.

    Raises:
        ValueError: Other groups, or moments that are not those of the
            parameters.
    """
    groups = _dict(state, 'optimizer').get('param_groups')
    moments = _dict(state.get('state'), 'optimizer.state')
    if not isinstance(groups, list) or not all(
        isinstance(group, dict) and isinstance(group.get('params'), list)
        for group in groups
    ):
        raise _other(groups, 'a list of groups', 'optimizer.param_groups')
    theirs, ours = (
        [len(group['params']) for group in several]
        for several in (groups, optimizer.param_groups)
    )
    if theirs != ours:
        raise ValueError(
            'the optimizer of the checkpoint has '
            f'{sum(theirs)} parameters in {len(theirs)} groups, that of '
            f'the config {sum(ours)} in {len(ours)}. Was '
            'backbone.frozen_stages or optim_wrapper.paramwise_cfg '
            'changed? Resume with the values of the run; to go on with '
            'others, start a new run from the weights alone: load_from '
            'with resume=False'
        )
    numbers = [n for group in groups for n in group['params']]
    if len(set(map(str, numbers))) != len(numbers) or not all(
        type(number) is int for number in numbers
    ):
        raise _other(numbers, 'one number each', 'optimizer parameters')
    parameters = dict(
        zip(numbers, (p for g in optimizer.param_groups for p in g['params']))
    )
    for number, values in moments.items():
        if number not in parameters:
            raise _other(number, 'a parameter', 'optimizer.state')
        _require_moments(values, parameters[number], optimizer, number)
    return dict(
        state=moments,
        param_groups=[
            dict(fit_settings(a, b, 'param_groups'), params=a['params'])
            for a, b in zip(groups, optimizer.param_groups)
        ],
    )


def fit_optim_wrapper(state: Any, wrapper: Any) -> Dict[str, Any]:
    """The same for mmengine's wrapper around an optimizer.

    Args:
        state (dict): As `OptimWrapper.state_dict` gives it.
        wrapper (OptimWrapper): Also gives the settings of its loss scaler.
    """
    fitted = dict(_dict(state, 'optimizer'))
    fitted.update(fit_optimizer(state, wrapper.optimizer))
    scaler = getattr(wrapper, 'loss_scaler', None)
    if scaler is not None and 'loss_scaler' in state:
        fitted['loss_scaler'] = fit_loss_scaler(
            state['loss_scaler'], scaler.state_dict()
        )
    base = fitted.pop('base_param_settings', None)
    if base is not None and wrapper.base_param_settings is not None:
        ours = wrapper.base_param_settings
        base = _dict(base, 'base_param_settings')
        fitted['base_param_settings'] = dict(
            fit_settings(base, ours, 'base_param_settings'),
            params=ours['params'],
        )
    return fitted


def fit_settings(theirs: dict, ours: dict, name: str) -> Dict[str, Any]:
    """Take the numbers of a group of settings, see `fit`.

    Numbers that ours does not have yet, such as `initial_lr`, are taken too.
    """
    settings = {
        key: fit(theirs.get(key, value), value, f'{name}.{key}')
        for key, value in ours.items()
        if key != 'params'
    }
    for key, value in theirs.items():
        if key not in ours and isinstance(key, str) and _is_number(value):
            settings[key] = fit(value, None, f'{name}.{key}')
    return settings


def _require_moments(
    values: Any, parameter: Tensor, optimizer: Optimizer, number: int
) -> None:
    where = f'optimizer.state[{number}]'
    for name, value in _dict(values, where).items():
        place = f'{where}[{name!r}]'
        if value is None:
            continue
        if not isinstance(value, Tensor):
            value = torch.tensor(float(fit(value, 0.0, place)))
        problem = why_no_weight(value)
        if problem is not None:
            raise _other(problem, 'numbers', place)
        shape = parameter.shape if name in MOMENTS else None
        if name == 'step':
            shape = value.shape if value.numel() == 1 else torch.Size()
        if shape is not None and value.shape != shape:
            raise _other(
                f'shape {tuple(value.shape)}', f'{tuple(shape)}', place
            )
        if not is_finite(value):
            raise _other('values that are not finite', 'numbers', place)
        if name in NOT_NEGATIVE and value.numel() and value.min() < 0:
            raise _other('negative values', 'squares or counts', place)
    is_adam = isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW))
    if is_adam and values and not values.keys() >= ADAM:
        raise _other(sorted(map(str, values)), f'{sorted(ADAM)}', where)


def fit_schedulers(states: Any, schedulers: Sequence, name: str) -> List[dict]:
    """Make states that schedulers can load, see `fit`.

    Raises:
        ValueError: Not as many, or other numbers than theirs.
    """
    if not isinstance(states, list) or len(states) != len(schedulers):
        count = len(states) if isinstance(states, list) else states
        raise _other(count, f'{len(schedulers)} schedulers', name)
    return [
        _fit_scheduler(state, scheduler.state_dict(), f'{name}[{number}]')
        for number, (state, scheduler) in enumerate(zip(states, schedulers))
    ]


def _fit_scheduler(state: Any, ours: dict, name: str) -> Dict[str, Any]:
    state = {k: v for k, v in _dict(state, name).items() if k in ours}
    for key in ('last_step', '_global_step'):  # where it is
        if key not in state:
            raise _other(sorted(state), f'{key!r}', name)
    return fit_settings(state, ours, name)


def fit_loss_scaler(state: Any, ours: dict) -> dict:
    """Take the scale and its count; the factors are the config's."""
    state = _dict(state, 'loss_scaler')
    own = {key: state.get(key, value) for key, value in ours.items()}
    for key in ('growth_factor', 'backoff_factor', 'growth_interval'):
        own[key] = ours.get(key)
    fitted = {k: fit(own[k], v, f'loss_scaler.{k}') for k, v in ours.items()}
    if fitted and not fitted['scale'] > 0:
        raise _other(fitted['scale'], 'above 0', 'loss_scaler.scale')
    return fitted


def fit_message_hub(state: Any) -> dict:
    """Check the histories and notes of a run.

    Raises:
        ValueError: They are not what `MessageHub.state_dict` gives.
    """
    state = _dict(state, 'message_hub')
    parts = {
        name: _dict(state.get(name), f'message_hub.{name}')
        for name in ('log_scalars', 'runtime_info', 'resumed_keys')
    }
    for name, part in parts.items():
        for key in part:
            if not isinstance(key, str):
                raise _other(key, 'names', f'message_hub.{name}')
    for key, value in parts['log_scalars'].items():
        if not isinstance(value, HistoryBuffer):
            raise _other(value, 'a HistoryBuffer', f'log_scalars[{key!r}]')
    for key, value in parts['resumed_keys'].items():
        if not isinstance(value, bool):
            raise _other(value, 'a bool', f'resumed_keys[{key!r}]')
    notes = parts['runtime_info']
    for key in ('epoch', 'iter', 'max_epochs', 'max_iters'):
        if notes.get(key) is not None:
            require_count(notes[key], f'runtime_info[{key!r}]')
    for key, value in notes.items():
        if key.startswith('best_score'):
            fit(value, 0.0, f'runtime_info[{key!r}]')
    kept = notes.get('keep_ckpt_ids', [])
    if not isinstance(kept, list):
        raise _other(kept, 'a list', "runtime_info['keep_ckpt_ids']")
    for number in kept:
        require_count(number, "runtime_info['keep_ckpt_ids']")
    return parts


def require_count(
    value: Any, name: str, highest: Optional[int] = None
) -> None:
    """Require a whole number from 0 to `highest`.

    Raises:
        ValueError: It is none.
    """
    allowed = 'a whole number of at least 0'
    if highest is not None:
        allowed = f'a whole number from 0 to {highest}'
    if (
        not isinstance(value, Integral)
        or isinstance(value, bool)
        or int(value) < 0
        or (highest is not None and int(value) > highest)
    ):
        raise _other(value, allowed, name)


def _is_number(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, (bool, complex))


def _dict(value: Any, name: str) -> dict:
    if not isinstance(value, dict):
        raise _other(value, 'a dict', name)
    return value


def _other(got: Any, expected: str, name: str) -> ValueError:
    return ValueError(
        f'the checkpoint cannot be resumed: expected {expected} as {name}, '
        f'got {str(got)[:80]!r}. Take another checkpoint of the run, or start '
        'a new one from its weights: load_from with resume=False'
    )
