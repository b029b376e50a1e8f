"""Importing mmaction2 1.2.0, and without warnings that no user can act on."""

import importlib
import importlib.metadata
import importlib.util
import os
import sys
import types
import warnings
from typing import Any, Optional

MMCV_INSTALL = 'pip install "mmcv-lite>=2.0.0,<2.2.0"'


def require_supported_mmcv() -> None:
    """Fail with the command to run where mmaction2 would fail obscurely.

    It asserts mmcv < 2.2.0:
    https://github.com/open-mmlab/mmaction2/issues/2852

    Raises:
        ImportError: mmcv is missing or of another version.
    """
    try:
        import mmcv
    except ImportError as error:
        raise ImportError(
            'mmvideomamba needs mmcv, and none is installed. Run: '
            f'{MMCV_INSTALL}   (or the full mmcv of the same versions; never '
            'both)'
        ) from error
    from mmengine.utils import digit_version

    version = digit_version(mmcv.__version__)
    if not digit_version('2.0.0') <= version < digit_version('2.2.0'):
        raise ImportError(
            f'mmaction2 1.2.0 needs mmcv >= 2.0.0, < 2.2.0; found '
            f'{mmcv.__version__}. Run: pip uninstall -y mmcv mmcv-lite && '
            f'{MMCV_INSTALL}'
        )


def alias_importlib_metadata() -> None:
    """Let mmaction2 import without the `importlib_metadata` backport.

    It imports that without declaring it; the standard library has the same:
    https://github.com/open-mmlab/mmaction2/blob/v1.2.0/mmaction/utils/dependency.py
    """
    try:
        importlib.import_module('importlib_metadata')
    except ImportError:
        sys.modules['importlib_metadata'] = importlib.metadata


def stub_drn_localizer() -> None:
    """Let mmaction2 import without its DRN localizer.

    The wheel on PyPI lacks `mmaction.models.localizers.drn`; from source, its
    loss needs torchvision. A stand-in takes its place, whose use says what is
    missing: https://github.com/open-mmlab/mmaction2/issues/2714
    """
    name = 'mmaction.models.localizers.drn.drn'
    if name in sys.modules:
        return
    # Asked without importing mmaction.models, which fails if drn does.
    spec = importlib.util.find_spec('mmaction')
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(
            'mmvideomamba needs mmaction2. Run: pip install mmaction2==1.2.0'
        )
    folder = os.path.join(
        spec.submodule_search_locations[0], 'models', 'localizers', 'drn'
    )
    if os.path.isdir(folder) and _imports('torchvision'):
        return

    class DRN:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise ImportError(
                'the DRN localizer is not part of this mmaction2 '
                'installation; it needs mmaction2 from source and torchvision'
            )

    package = types.ModuleType('mmaction.models.localizers.drn')
    package.__path__ = []
    module = types.ModuleType(name)
    vars(module)['DRN'] = DRN
    sys.modules[package.__name__] = package
    sys.modules[name] = module


def switch_off_unusable_multimodal() -> None:
    """Let mmaction2 import beside a transformers that it cannot use.

    Where transformers is installed, mmaction2 imports its video-language
    models, which also need timm, undeclared, and functions that transformers
    5 no longer has. mmaction2's own placeholders take their place, as they do
    without transformers:
    https://github.com/open-mmlab/mmaction2/blob/v1.2.0/mmaction/models/multimodal/__init__.py
    """
    from mmaction.utils import dependency

    if dependency.WITH_MULTIMODAL and not (
        _imports('timm.models.layers', 'DropPath')
        and _imports(
            'transformers.modeling_utils', 'apply_chunking_to_forward'
        )
        and _imports(
            'transformers.models.beit.modeling_beit',
            'BeitRelativePositionBias',
        )
    ):
        dependency.WITH_MULTIMODAL = False


def silence_import_warnings() -> None:
    """Silence warnings about the host's own code, which no user can change.

    mmcv-lite lacks an operator that is not needed here, see
    https://github.com/open-mmlab/mmaction2/issues/2030, and mmengine passes
    DDP an argument that torch 2.13 calls deprecated, see `wrap_model` in
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/runner.py
    """
    for message in (
        'Fail to import ``MultiScaleDeformableAttention``',
        '`broadcast_buffers` is deprecated',
    ):
        warnings.filterwarnings('ignore', message=message)


def silence_file_client() -> None:
    """Keep mmaction2's video readers from warning in every process.

    They use mmengine's `FileClient`, which says at each start that it is
    deprecated; its successor is `mmengine.fileio.get`:
    https://github.com/open-mmlab/mmcv/pull/2468
    """
    from mmengine.fileio import file_client

    if hasattr(file_client, 'print_log'):
        file_client.print_log = lambda *args, **kwargs: None


def _imports(module: str, name: Optional[str] = None) -> bool:
    """Whether `import module`, or `from module import name`, works."""
    try:
        imported = importlib.import_module(module)
    except (ImportError, RuntimeError):
        return False
    return name is None or hasattr(imported, name)
