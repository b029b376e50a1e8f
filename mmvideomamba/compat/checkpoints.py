"""Reading checkpoints: those of the runner, and none that runs code."""

import codecs
import importlib
from typing import Any, Callable

import torch

from ..checkpoints import load_from_checked_file


def allow_runner_checkpoints() -> None:
    """Let torch read the runner's checkpoints with `weights_only=True`.

    torch 2.6 made that the default; mmengine's checkpoints also hold the
    message hub: `HistoryBuffer`s, numpy arrays and scalars. These are
    allow-listed by name. `HistoryBuffer` is pickled through `getattr`, which
    stays closed for every other class:
    https://github.com/open-mmlab/mmengine/issues/1655
    """
    if not hasattr(torch.serialization, 'add_safe_globals'):
        return
    import numpy as np
    from mmengine.logging import HistoryBuffer

    def getattr_of_history_buffer(owner: type, name: str) -> Any:
        if owner is not HistoryBuffer or name.startswith('_'):
            raise ValueError(
                f'refused getattr({owner!r}, {name!r}) in a checkpoint'
            )
        return getattr(owner, name)

    core = 'core' if np.__version__.startswith('1.') else '_core'
    multiarray = importlib.import_module(f'numpy.{core}.multiarray')
    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            _called('builtins.getattr', getattr_of_history_buffer),
            *(
                _called(
                    f'numpy.{core}.multiarray.{function.__name__}', function
                )
                for core in ('core', '_core')
                for function in (multiarray._reconstruct, multiarray.scalar)
            ),
            codecs.encode,  # of a scalar's bytes
            np.ndarray,
            np.dtype,
            *{type(np.dtype(kind)) for kind in '?bBhHiIlLqQefd'},
        ]
    )


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


def _called(path: str, function: Callable) -> Callable:
    """`function` under the name that pickles know it by.

    torch before 2.6 does not take (function, path) for that.
    """

    def call(*args: Any) -> Any:
        return function(*args)

    call.__module__, call.__name__ = path.rsplit('.', 1)
    call.__qualname__ = call.__name__
    return call
