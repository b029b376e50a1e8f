"""Repairs of the host: mmaction2 1.2.0 and mmengine 0.10.7 as they are today.

Each repair is one function. It does nothing on a sound installation, and its
docstring links the upstream issue, or the code where no issue is known.
`repair_host` runs them all when `mmvideomamba` is imported, before anything
imports mmaction: first what lets it import, then its warnings, reading
checkpoints, distributed runs, and reading videos.
"""

import codecs
import importlib
import importlib.metadata
import io
import os
import sys
import types
import warnings
from typing import Any, Callable, Optional

import torch
from torch import nn

from . import video
from .checkpoints import load_from_checked_file

MMCV_INSTALL = 'pip install "mmcv-lite>=2.0.0,<2.2.0"'


def repair_host() -> None:
    """Make `import mmaction` and its runner work here."""
    require_supported_mmcv()
    alias_importlib_metadata()
    stub_drn_localizer()
    switch_off_unusable_multimodal()
    silence_import_warnings()
    silence_file_client()
    allow_runner_checkpoints()
    read_checkpoints_safely()
    let_ddp_run_without_cuda()
    open_videos_through_one_reader()
    read_with_pyav_as_with_decord()
    read_with_opencv_as_with_decord()


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

    multiarray = importlib.import_module(
        f'numpy.{"core" if _numpy_1() else "_core"}.multiarray'
    )
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


def let_ddp_run_without_cuda() -> None:
    """Let mmengine's launcher run several CPU processes, over gloo.

    mmengine calls `torch.cuda.set_device` and hands DDP a device id whatever
    the machine, see `_init_dist_pytorch` and `Runner.wrap_model`:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/dist/utils.py
    """
    if torch.cuda.is_available():
        return
    from mmengine.device import get_device
    from mmengine.dist import utils
    from mmengine.runner import Runner

    if get_device() != 'cpu' or hasattr(Runner.wrap_model, 'without_cuda'):
        return
    wrap_model = Runner.wrap_model

    def init_gloo(backend: str, **kwargs: Any) -> None:
        kwargs.pop('init_backend', None)
        torch.distributed.init_process_group('gloo', **kwargs)

    def wrap_model_on_cpu(
        self: Runner, model_wrapper_cfg: Optional[dict], model: nn.Module
    ) -> nn.Module:
        if self.distributed:
            model_wrapper_cfg = dict(
                dict(
                    type='MMDistributedDataParallel',
                    broadcast_buffers=False,
                    find_unused_parameters=self.cfg.get(
                        'find_unused_parameters', False
                    ),
                ),
                **(model_wrapper_cfg or {}),
                device_ids=None,
            )
        return wrap_model(self, model_wrapper_cfg, model)

    vars(wrap_model_on_cpu)['without_cuda'] = True
    utils._init_dist_pytorch = init_gloo
    Runner.wrap_model = wrap_model_on_cpu


def open_videos_through_one_reader() -> None:
    """Let `DecordInit` open videos through `mmvideomamba.video.open_video`.

    Its errors name the file, and it reads what decord cannot, or reads
    wrongly: https://github.com/dmlc/decord/issues/91
    """
    from mmaction.datasets.transforms.loading import DecordInit

    def open_with(self: DecordInit, filename: str) -> Any:
        # mmaction2 takes names without suffix for those of .mp4 files.
        if not os.path.splitext(filename)[1] and not os.path.exists(filename):
            filename += '.mp4'
        if self.io_backend == 'disk':
            return video.open_video(filename, self.num_threads)
        file = _fetch(self, filename)
        return video.open_video_bytes(filename, file, self.num_threads)

    DecordInit._get_video_reader = open_with


def read_with_pyav_as_with_decord() -> None:
    """Let `PyAVInit` and `PyAVDecode` give the frames that decord gives.

    They take the number of frames from the header, 0 in many a format, ignore
    the display matrix of phone videos, and repeat frames for those that are
    missing: https://github.com/open-mmlab/mmcv/issues/1672
    """
    from mmaction.datasets.transforms.loading import PyAVDecode, PyAVInit

    def init(self: PyAVInit, results: dict) -> dict:
        file = _fetch(self, results['filename'])
        with video.open_container(file) as container:
            results['total_frames'] = len(video.frame_times(container))
        results['video_reader'] = video.open_container(file)
        return results

    decode_efficiently = PyAVDecode.transform

    def decode(self: PyAVDecode, results: dict) -> dict:
        if self.mode == 'efficient':
            return decode_efficiently(self, results)
        container = results['video_reader']
        if self.multi_thread:
            container.streams.video[0].thread_type = 'AUTO'
        results['frame_inds'] = results['frame_inds'].reshape(-1)
        images = video.pick_frames(container, results['frame_inds'].tolist())
        results['imgs'], results['video_reader'] = images, None
        results['original_shape'] = results['img_shape'] = images[0].shape[:2]
        return results

    def first_frame(container: Any, stream: Any) -> Any:
        return next(map(video.upright, container.decode(stream)), None)

    PyAVInit.transform = init
    PyAVDecode.transform = decode
    PyAVDecode.frame_generator = staticmethod(first_frame)


def read_with_opencv_as_with_decord() -> None:
    """Let `OpenCVInit` count and find frames where their rate varies.

    OpenCV computes the number of frames, and the place of one, from the
    average rate: https://github.com/opencv/opencv/issues/9053
    """
    import mmcv
    from mmaction.datasets.transforms.loading import OpenCVInit

    init = OpenCVInit.transform

    class ForwardReader(mmcv.VideoReader):
        """Finds a frame by reading all that come before it."""

        def __init__(self, path: str) -> None:
            super().__init__(path)
            self._position = 0
            with video.open_container(path) as container:
                self._frame_cnt = len(video.frame_times(container))
            self._path = path

        def _set_real_position(self, frame_id: int) -> None:
            if frame_id < self._position:
                self._vcap.open(self._path)
                self._position = 0
            while self._position < frame_id and self._vcap.grab():
                self._position += 1

        def _get_real_position(self) -> int:
            return self._position

    def init_forward(self: OpenCVInit, results: dict) -> dict:
        results = init(self, results)
        reader = ForwardReader(results['new_path'])
        results.update(video_reader=reader, total_frames=len(reader))
        return results

    OpenCVInit.transform = init_forward


def _fetch(transform: Any, filename: str) -> io.BytesIO:
    """Read a file as mmaction2's transforms that open videos do."""
    from mmengine.fileio import FileClient

    if transform.file_client is None:
        transform.file_client = FileClient(
            transform.io_backend, **transform.kwargs
        )
    return io.BytesIO(transform.file_client.get(filename))


def _called(path: str, function: Callable) -> Callable:
    """`function` under the name that pickles know it by.

    torch before 2.6 does not take (function, path) for that.
    """

    def call(*args: Any) -> Any:
        return function(*args)

    call.__module__, call.__name__ = path.rsplit('.', 1)
    call.__qualname__ = call.__name__
    return call


def _imports(module: str, name: Optional[str] = None) -> bool:
    """Whether `import module`, or `from module import name`, works."""
    try:
        imported = importlib.import_module(module)
    except (ImportError, RuntimeError):
        return False
    return name is None or hasattr(imported, name)


def _numpy_1() -> bool:
    import numpy as np

    return np.__version__.startswith('1.')
