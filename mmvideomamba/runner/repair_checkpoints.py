"""Every run saves and resumes with care, whatever its config."""

from functools import wraps
from typing import Any, Optional

import mmengine.runner
from mmengine.runner import FlexibleRunner, Runner, _flexible_runner
from mmengine.runner import checkpoint as host_checkpoint
from mmengine.runner import runner as host_runner

from .check_resumed_state_hook import CheckResumedStateHook, remember_source
from .checkpoint_writing import AnyRunner, repair_saving
from .find_checkpoint import find_newest_checkpoint
from .stop_when_not_finite_hook import StopWhenNotFiniteHook

HOOKS_OF_MMENGINE = (
    'runtime_info',
    'timer',
    'sampler_seed',
    'logger',
    'param_scheduler',
    'checkpoint',
)


def repair_checkpoints() -> None:
    """Repair both runners of mmengine; a second call changes nothing."""
    if hasattr(Runner.register_default_hooks, '__wrapped__'):
        return
    repair_saving()
    for module in (
        mmengine.runner,
        host_checkpoint,
        host_runner,
        _flexible_runner,
    ):
        module.find_latest_checkpoint = find_newest_checkpoint
    for runner in (Runner, FlexibleRunner):
        runner.resume = remember_source(runner.resume)
        runner.register_default_hooks = _with_ours(
            runner.register_default_hooks
        )


def _with_ours(register_default_hooks: Any) -> Any:
    @wraps(register_default_hooks)
    def register(self: AnyRunner, hooks: Optional[dict] = None) -> None:
        # None switches off; of a hook that mmengine does not bring, it is an
        # AssertionError.
        hooks = {
            name: hook
            for name, hook in (hooks or {}).items()
            if hook is not None or name in HOOKS_OF_MMENGINE
        }
        register_default_hooks(self, hooks)
        self.register_hook(CheckResumedStateHook())
        self.register_hook(StopWhenNotFiniteHook())

    return register
