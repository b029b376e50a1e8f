"""Repairs of the host: mmaction2 1.2.0 and mmengine 0.10.7 as they are today.

Each repair is one function. It does nothing on a sound installation, and its
docstring links the upstream issue, or the code where no issue is known.
`repair_host` runs them all when `mmvideomamba` is imported, before anything
imports mmaction: first what lets it import, then its warnings, reading
checkpoints, distributed runs, resuming, labels, and reading videos.
"""

import codecs
import importlib
import importlib.metadata
import io
import ipaddress
import os
import socket
import sys
import types
import warnings
from functools import wraps
from importlib.util import find_spec
from typing import Any, Callable, List, Optional, Tuple
from unittest import mock

import torch
from torch import Tensor, nn

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
    find_packages_without_pkg_resources()
    let_configs_inherit_from_ours()
    let_ddp_run_without_cuda()
    average_several_labels_by_sigmoid()
    leave_unlabelled_out_of_average_precision()
    balance_wrapped_datasets()
    explain_other_parameter_groups()
    compile_the_model_alone()
    score_in_float32()
    explain_layer_decay()
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


def find_packages_without_pkg_resources() -> None:
    """Let mmengine find `mmaction::...` configs without `pkg_resources`.

    setuptools 82 has it no more; the standard library tells the same:
    https://github.com/open-mmlab/mmengine/pull/1676
    """
    if find_spec('pkg_resources') is not None:
        return
    from mmengine.config import config
    from mmengine.hub import hub
    from mmengine.utils import package_utils

    for module in (package_utils, sys.modules['mmengine.utils'], config, hub):
        for function in (is_installed, package2module, get_installed_path):
            if hasattr(module, function.__name__):
                setattr(module, function.__name__, function)


def is_installed(package: str) -> bool:
    """Whether there is a package or a module of this name."""
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        spec = find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def package2module(package: str) -> str:
    """The name that an installed package is imported by."""
    modules = importlib.metadata.distribution(package).read_text(
        'top_level.txt'
    )
    if not modules:
        raise ValueError(f'can not infer the module name of {package}')
    return modules.split()[0]


def get_installed_path(package: str) -> str:
    """The folder that a package, or a module, is imported from.

    Raises:
        PackageNotFoundError: There is none.
        RuntimeError: It is a namespace package, which has several.
    """
    spec = find_spec(package) or find_spec(package2module(package))
    if spec is None or spec.origin is None:
        raise RuntimeError(
            f'{package} is a namespace package, which is invalid for '
            '`get_installed_path`'
        )
    return os.path.dirname(spec.origin)


def let_configs_inherit_from_ours() -> None:
    """Let a config have `_base_ = 'mmvideomamba::recognition/...'`.

    mmengine knows OpenMMLab's own packages only, and looks up what such a
    config builds in the registries of the package; ours are mmaction2's:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/config/config.py
    """
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE

    if 'mmvideomamba' in MODULE2PACKAGE:
        return
    MODULE2PACKAGE['mmvideomamba'] = 'mmvideomamba'
    get_cfg_path = Config._get_cfg_path

    def get_cfg_path_and_scope(
        cfg_path: str, filename: str
    ) -> Tuple[str, Optional[str]]:
        path, scope = get_cfg_path(cfg_path, filename)
        return path, 'mmaction' if scope == 'mmvideomamba' else scope

    Config._get_cfg_path = staticmethod(get_cfg_path_and_scope)


def let_ddp_run_without_cuda() -> None:
    """Let mmengine's launchers run several CPU processes, over gloo.

    mmengine calls `torch.cuda.set_device` and hands DDP a device id whatever
    the machine, in `Runner` as in `FlexibleRunner`, see `_init_dist_pytorch`
    and its siblings:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/dist/utils.py
    """
    if torch.cuda.is_available():
        return
    from mmengine.device import get_device
    from mmengine.dist import utils
    from torch.nn.parallel import DistributedDataParallel as DDP

    init_ddp = DDP.__init__
    if get_device() != 'cpu' or hasattr(init_ddp, 'without_cuda'):
        return

    def over_gloo(launcher: str) -> Callable:
        init_dist = getattr(utils, f'_init_dist_{launcher}')

        @wraps(init_dist)
        def init_gloo(backend: str, **kwargs: Any) -> None:
            require_gloo_meets_other_nodes(launcher)
            with mock.patch('torch.cuda.set_device'):
                init_dist('gloo', **kwargs)

        return init_gloo

    @wraps(init_ddp)
    def init_on_cpu(
        self: DDP,
        module: nn.Module,
        device_ids: Optional[list] = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        init_ddp(self, module, None, *args, **kwargs)

    vars(init_on_cpu)['without_cuda'] = True
    DDP.__init__ = init_on_cpu  # type: ignore[method-assign]  # on purpose
    for launcher in ('pytorch', 'mpi', 'slurm'):
        setattr(utils, f'_init_dist_{launcher}', over_gloo(launcher))


def require_gloo_meets_other_nodes(launcher: str) -> None:
    """Fail before a run over several nodes waits for a loopback address.

    Where the name of a machine leads to 127.0.0.1, gloo tells that address to
    the other nodes, see `ProcessGroupGloo::createDefaultDevice`:
    https://github.com/pytorch/pytorch/blob/v2.6.0/torch/csrc/distributed/c10d/ProcessGroupGloo.cpp

    Raises:
        RuntimeError: That is so, and GLOO_SOCKET_IFNAME says nothing else.
    """
    environ = os.environ
    if launcher == 'slurm':
        several = environ.get('SLURM_NNODES', '1') != '1'
    else:
        size, local_size = dict(
            pytorch=('WORLD_SIZE', 'LOCAL_WORLD_SIZE'),
            mpi=('OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_SIZE'),
        )[launcher]
        several = environ.get(local_size, environ.get(size)) != environ.get(
            size
        )
    host = socket.gethostname()
    if several and not environ.get('GLOO_SOCKET_IFNAME') and _is_local(host):
        raise RuntimeError(
            f'this run has several nodes, but the name of this one, {host}, '
            'stands for a loopback address, where gloo would wait for the '
            'others. On every node, set GLOO_SOCKET_IFNAME to the network '
            'interface that the nodes share, such as eth0 (`ip address` '
            'lists them)'
        )


def compile_the_model_alone() -> None:
    """Let `compile=True` train.

    mmengine compiles `train_step`, and with it the optimizer, the learning
    rates that change in each iteration, and the log; it is the backbone that
    takes the time: https://github.com/open-mmlab/mmengine/issues/1110
    """
    from mmengine._strategy import BaseStrategy
    from mmengine.runner import Runner

    def compile_backbone(model: nn.Module, options: Any) -> None:
        if options or isinstance(options, dict):
            model = getattr(model, 'module', model)
            options = options if isinstance(options, dict) else {}
            options = {k: v for k, v in options.items() if k != 'target'}
            getattr(model, 'backbone', model).compile(**options)

    def maybe_compile(self: Runner, target: str) -> None:
        compile_backbone(self.model, self.cfg.get('compile'))

    def compile_model(
        self: BaseStrategy, model: nn.Module, compile: Any = False
    ) -> nn.Module:
        compile_backbone(model, compile)
        return model

    Runner._maybe_compile = maybe_compile
    BaseStrategy.compile_model = compile_model


def score_in_float32() -> None:
    """Let mmaction2's heads train and validate under bfloat16 autocast.

    They and `AccMetric` hand their scores to numpy, which has no bfloat16:
    https://github.com/open-mmlab/mmaction2/blob/v1.2.0/mmaction/models/heads/base.py
    """
    from mmaction.models.heads import BaseHead, OmniHead, RGBPoseHead

    for head in (BaseHead, OmniHead, RGBPoseHead):
        for name in ('loss_by_feat', 'predict_by_feat'):
            method = vars(head).get(name)
            if method is not None and not hasattr(method, '__wrapped__'):
                setattr(head, name, _with_float32_scores(method))


def explain_layer_decay() -> None:
    """Say what to do where mmaction2's layer decay knows a model's name not.

    It raises a NotImplementedError without a word:
    https://github.com/OpenGVLab/VideoMamba/issues/109
    """
    from mmaction.engine.optimizers import (
        LearningRateDecayOptimizerConstructor as Constructor,
    )

    add_params = Constructor.add_params
    if hasattr(add_params, '__wrapped__'):
        return

    @wraps(add_params)
    def explain(self: Any, params: list, module: nn.Module, **kw: Any) -> None:
        try:
            add_params(self, params, module, **kw)
        except NotImplementedError as error:
            if error.args:
                raise
            raise NotImplementedError(
                'LearningRateDecayOptimizerConstructor knows MViT and '
                'VisionTransformer, got '
                f'{type(getattr(module, "backbone", module)).__name__}. For '
                "VideoMamba: constructor='LayerDecayOptimWrapperConstructor', "
                'paramwise_cfg=dict(layer_decay=0.75)'
            ) from None

    Constructor.add_params = explain


def _with_float32_scores(method: Callable) -> Callable:
    @wraps(method)
    def call(self: nn.Module, cls_scores: Any, data_samples: list) -> Any:
        if isinstance(cls_scores, dict):  # RGBPoseHead's
            cls_scores = {k: _as_float32(v) for k, v in cls_scores.items()}
        else:
            cls_scores = _as_float32(cls_scores)
        return method(self, cls_scores, data_samples)

    return call


def _as_float32(scores: Tensor) -> Tensor:
    return scores.float() if scores.dtype == torch.bfloat16 else scores


def _is_local(host: str) -> bool:
    """Whether the first usable address of a host is a loopback address."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return True  # torch takes the loopback address instead
    for family, *_, address in found:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(address)
            except OSError:
                continue
        return ipaddress.ip_address(
            str(address[0]).split('%')[0]  # without its interface
        ).is_loopback
    return True


def average_several_labels_by_sigmoid() -> None:
    """Let every head give independent probabilities under `multi_class`.

    `average_clips='prob'` takes the softmax there too, so that the classes of
    a video compete and their ranking among videos, which mAP measures, is
    wrong: https://github.com/open-mmlab/mmaction2/issues/1813
    """
    from mmaction.models.heads import BaseHead

    average_clip = BaseHead.average_clip
    head = types.SimpleNamespace(multi_class=True, average_clips='prob')
    if average_clip(head, torch.zeros(1, 3))[0, 0] == 0.5:
        return

    def average_clip_by_sigmoid(
        self: BaseHead, cls_scores: torch.Tensor, num_segs: int = 1
    ) -> torch.Tensor:
        if not (self.multi_class and self.average_clips == 'prob'):
            return average_clip(self, cls_scores, num_segs)
        views = cls_scores.sigmoid().unflatten(0, (-1, num_segs))
        return views.mean(dim=1)

    BaseHead.average_clip = average_clip_by_sigmoid


def leave_unlabelled_out_of_average_precision() -> None:
    """Let mAP leave out what has no average precision.

    Both kinds of mAP divide by the number of positives: a class that no video
    has makes numpy warn in each validation, and a video without a label makes
    the `mmit` kind, a mean over videos, NaN:
    https://github.com/open-mmlab/mmaction2/blob/v1.2.0/mmaction/evaluation/functional/accuracy.py
    """
    import numpy as np
    from mmaction.evaluation.metrics import acc_metric

    def among_labelled(average_precision: Callable, axis: int) -> Callable:
        def mean(scores: Any, labels: Any) -> float:
            has_labels = (np.stack(labels) == 1).any(axis)
            if not has_labels.any():
                return np.nan
            return average_precision(
                np.compress(has_labels, scores, 1 - axis),
                np.compress(has_labels, labels, 1 - axis),
            )

        vars(mean)['among_labelled'] = True
        return mean

    # A mean over classes, with the samples along axis 0, and one over samples.
    for name, axis in (
        ('mean_average_precision', 0),
        ('mmit_mean_average_precision', 1),
    ):
        function = getattr(acc_metric, name)
        if not hasattr(function, 'among_labelled'):
            setattr(acc_metric, name, among_labelled(function, axis))


def balance_wrapped_datasets() -> None:
    """Let ClassBalancedDataset balance concatenated and repeated data sets.

    It asks for `get_cat_ids`, which these two wrappers do not pass on:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/dataset/dataset_wrapper.py
    """
    from mmengine.dataset import ConcatDataset, RepeatDataset

    def of_concatenated(self: ConcatDataset, idx: int) -> List[int]:
        number, idx = self._get_ori_dataset_idx(idx)
        return self.datasets[number].get_cat_ids(idx)

    def of_repeated(self: RepeatDataset, idx: int) -> List[int]:
        return self.dataset.get_cat_ids(self._get_ori_dataset_idx(idx))

    for wrapper, get_cat_ids in (
        (ConcatDataset, of_concatenated),
        (RepeatDataset, of_repeated),
    ):
        if not hasattr(wrapper, 'get_cat_ids'):
            wrapper.get_cat_ids = get_cat_ids


def explain_other_parameter_groups() -> None:
    """Say what to do where a resumed optimizer has other parameters.

    torch names neither them nor `frozen_stages`, which leaves frozen
    parameters without a group where `paramwise_cfg` is set, see `add_params`
    in mmengine:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/optim/optimizer/default_constructor.py
    """
    from mmengine.optim import AmpOptimWrapper, OptimWrapper

    for cls in (OptimWrapper, AmpOptimWrapper):
        load = cls.load_state_dict
        if not hasattr(load, 'explains'):
            cls.load_state_dict = _explaining(load)


def _explaining(load: Callable) -> Callable:
    @wraps(load)
    def load_or_explain(self: Any, state_dict: dict) -> None:
        theirs, ours = (
            [len(group['params']) for group in groups]
            for groups in (
                state_dict.get('param_groups', []),
                self.optimizer.param_groups,
            )
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
        load(self, state_dict)

    vars(load_or_explain)['explains'] = True
    return load_or_explain


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
