"""What a checkpoint says of a run, compared with the run that resumes it."""

import os.path as osp
from functools import wraps
from typing import Any, Dict, List, Union

import torch
from mmengine._strategy import BaseStrategy
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import IterBasedTrainLoop
from torch import Tensor

from ..checkpoints.run_state import (
    fit_message_hub,
    fit_schedulers,
    require_count,
)
from ..checkpoints.saved_states import newest_state
from ..checkpoints.tensor_checks import is_finite, why_not_in
from .checkpoint_writing import AnyRunner

# numpy takes no larger seed.
LARGEST_SEED = 2**32 - 1


class CheckResumedStateHook(Hook):
    """Refuse or correct the state in a checkpoint before it is resumed.

    Every run has it. What is taken is described in `checkpoints.run_state`.
    Optimizers check their own states, see `compat.check_optimizer_states`.

    Raises:
        ValueError: The checkpoint has no state of a run, or one that is not
            of this run.
    """

    priority = 'HIGHEST'

    def after_load_checkpoint(
        self, runner: AnyRunner, checkpoint: dict
    ) -> None:
        """Check everything, before the weights are loaded."""
        if getattr(runner, 'resumed_from', None) is None or _is_sharded(
            runner
        ):
            return
        _require_parts(runner, checkpoint)
        _require_progress(runner, checkpoint['meta'])
        _require_averages(checkpoint)
        checkpoint['message_hub'] = fit_message_hub(checkpoint['message_hub'])
        if isinstance(runner.optim_wrapper, OptimWrapperDict):
            wrappers = dict(runner.optim_wrapper.items())
            _require_same_names(checkpoint['optimizer'], wrappers, 'optimizer')
        if runner.param_schedulers:
            checkpoint['param_schedulers'] = _fit_all_schedulers(
                checkpoint['param_schedulers'], runner.param_schedulers
            )


def remember_source(resume: Any) -> Any:
    """`resume` of a runner that says in `resumed_from` what it resumes."""

    @wraps(resume)
    def resume_known(
        self: AnyRunner, filename: str, *args: Any, **kwargs: Any
    ) -> None:
        self.resumed_from = filename
        resume(self, filename, *args, **kwargs)

    return resume_known


def _is_sharded(runner: AnyRunner) -> bool:
    """Whether a strategy has optimizer states of its own, such as FSDP's."""
    strategy = getattr(runner, 'strategy', None)
    return strategy is not None and (
        type(strategy).load_optim_state_dict
        is not BaseStrategy.load_optim_state_dict
    )


def _require_parts(runner: AnyRunner, checkpoint: dict) -> None:
    parts = ['meta', 'message_hub', 'optimizer']
    parts += ['param_schedulers'] * bool(runner.param_schedulers)
    missing = [part for part in parts if part not in checkpoint]
    if not missing:
        return
    source = str(runner.resumed_from)
    found, _ = newest_state(osp.dirname(source) or '.', besides=source)
    remedy = 'To start a new run from its weights: load_from, resume=False'
    if found is not None:
        remedy = f'Take {found}. {remedy}'
    raise ValueError(
        f'{source} cannot be resumed: it has no {", ".join(missing)}, as '
        f'files of the best or of published weights have none. {remedy}'
    )


def _require_progress(runner: AnyRunner, meta: Any) -> None:
    if not isinstance(meta, dict):
        raise ValueError(
            'the checkpoint cannot be resumed: expected a dict as meta, got '
            f'{type(meta).__name__}'
        )
    loop = runner.train_loop
    by_iter = isinstance(loop, IterBasedTrainLoop)
    max_epochs = None if by_iter else loop.max_epochs
    max_iters = loop.max_iters if by_iter else None
    require_count(meta.get('epoch'), 'meta.epoch', max_epochs)
    require_count(meta.get('iter'), 'meta.iter', max_iters)
    if meta.get('seed') is not None:
        require_count(meta['seed'], 'meta.seed', LARGEST_SEED)


def _require_averages(checkpoint: dict) -> None:
    """Require that averaged weights are those of the model, see EMAHook."""
    averages = checkpoint.get('ema_state_dict', {})
    if not isinstance(averages, dict):
        raise _no_averages(type(averages).__name__)
    weights = {f'module.{k}': v for k, v in checkpoint['state_dict'].items()}
    weights['steps'] = torch.zeros((), dtype=torch.int64)
    for name, value in averages.items():
        target = weights.get(name)
        if (
            not isinstance(target, Tensor)
            or why_not_in(value, target) is not None
            or value.shape != target.shape
            or not is_finite(value)
        ):
            raise _no_averages(f'another {name!r}')


def _no_averages(got: str) -> ValueError:
    return ValueError(
        'the checkpoint cannot be resumed: expected finite averages of the '
        f'weights in state_dict as ema_state_dict, got {got}. Take another '
        'checkpoint of the run'
    )


def _fit_all_schedulers(
    states: Any, schedulers: Union[dict, list]
) -> Union[Dict[str, List[dict]], List[dict]]:
    if not isinstance(schedulers, dict):
        return fit_schedulers(states, schedulers, 'param_schedulers')
    _require_same_names(states, schedulers, 'param_schedulers')
    return {
        name: fit_schedulers(states[name], each, f'param_schedulers.{name}')
        for name, each in schedulers.items()
    }


def _require_same_names(theirs: Any, ours: dict, name: str) -> None:
    if not isinstance(theirs, dict) or theirs.keys() != ours.keys():
        got = [*theirs] if isinstance(theirs, dict) else theirs
        raise ValueError(
            f'the checkpoint cannot be resumed: expected {name} of '
            f'{[*ours]}, got {str(got)[:80]}'
        )
