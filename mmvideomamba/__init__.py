"""KAIST's VideoMamba (ECCV 2024) as a plugin of mmaction2.

Importing the package repairs the host and registers everything:

    custom_imports = dict(imports=['mmvideomamba'])
    model = dict(type='Recognizer3D', backbone=dict(type='VideoMamba'), ...)
"""

from . import compat
from .version import __version__

compat.repair_host()

from . import datasets, engine, models  # noqa: E402  (after the repairs)

__all__ = ['__version__', 'datasets', 'engine', 'models']
