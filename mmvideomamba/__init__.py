"""KAIST's VideoMamba (ECCV 2024) as a plugin of mmaction2.

Importing the package repairs the host and registers everything:

    custom_imports = dict(imports=['mmvideomamba'])
    model = dict(type='Recognizer3D', backbone=dict(type='VideoMamba'), ...)

Models have names, and `mmvideomamba.apis` has what to do with them:

    from mmvideomamba import get_model, list_models, recognize

Where there is no host at all, `mmvideomamba.ops` is what there is; it needs
torch alone.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from . import waiting_threads  # noqa: F401  # before torch
from .version import __version__

__all__ = ['__version__']
_LAZY = dict(
    extract_features='apis',
    get_model='apis',
    list_models='model_zoo',
    recognize='apis',
)

if find_spec('mmengine') is not None:
    from . import compat

    compat.repair_host()

    from . import datasets, models, runner

    runner.show_in_current_log()
    runner.repair_learning_rates()
    runner.repair_checkpoints()
    runner.repair_resumed_loops()

    __all__ += ['datasets', 'runner', 'models', *_LAZY]


def __getattr__(name: str) -> Any:
    """Import what loads mmaction2's tools when it is asked for."""
    if name in _LAZY:
        return getattr(import_module(f'.{_LAZY[name]}', __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
