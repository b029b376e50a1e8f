"""Reading checkpoints: those of the runner, and none that runs code."""

from functools import wraps
from typing import Any

import torch
from torch import nn

from ..checkpoints import load_from_checked_file
from ..checkpoints.plain_numpy import STANDINS
from ..checkpoints.tensor_checks import require_loadable


def allow_runner_checkpoints() -> None:
    """Let torch read the runner's checkpoints with `weights_only=True`.

    torch 2.6 made that the default; mmengine's checkpoints also hold the
    message hub: `HistoryBuffer`s, numpy arrays and scalars. What stands for
    these in `checkpoints.plain_numpy` is allow-listed under their names:
    https://github.com/open-mmlab/mmengine/issues/1655
    """
    if hasattr(torch.serialization, 'add_safe_globals'):
        torch.serialization.add_safe_globals(STANDINS)


def read_checkpoints_safely() -> None:
    """Let mmengine read checkpoints through `mmvideomamba.checkpoints`.

    mmengine reads URLs with `weights_only=False` whatever torch's default,
    and every file so under torch before 2.6: opening one runs what is in it.
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/checkpoint.py
    """
    from mmengine.runner import CheckpointLoader

    CheckpointLoader.register_scheme(
        ('', 'http://', 'https://'), load_from_checked_file, force=True
    )


def load_all_weights_or_none() -> None:
    """Let mmengine load a state dict whose values can be weights.

    It warns of values that it cannot copy, and leaves the model's own; other
    dtypes are cast, whatever becomes of the numbers:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/checkpoint.py
    """
    from mmengine.runner import checkpoint

    load_state_dict = checkpoint.load_state_dict
    if hasattr(load_state_dict, '__wrapped__'):
        return

    @wraps(load_state_dict)
    def load_checked(
        module: nn.Module, state_dict: dict, *args: Any, **kwargs: Any
    ) -> None:
        require_loadable(state_dict, module)
        load_state_dict(module, state_dict, *args, **kwargs)

    checkpoint.load_state_dict = load_checked
