"""KAIST's VideoMamba (ECCV 2024) as a plugin of mmaction2.

Importing the package repairs the host and registers everything:

    custom_imports = dict(imports=['mmvideomamba'])
    model = dict(type='Recognizer3D', backbone=dict(type='VideoMamba'), ...)

Where there is no host at all, `mmvideomamba.ops` is what there is; it needs
torch alone.
"""

from importlib.util import find_spec

from .version import __version__

__all__ = ['__version__']

if find_spec('mmengine') is not None:
    from . import compat

    compat.repair_host()

    from . import datasets, models, runner

    runner.show_in_current_log()
    runner.repair_learning_rates()
    runner.repair_resumed_loops()

    __all__ += ['datasets', 'runner', 'models']
