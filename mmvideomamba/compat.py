"""Repairs of the host: mmaction2 1.2.0 and mmengine 0.10.7 as they are today.

Each repair is one function. It does nothing on a sound installation, and its
docstring links the upstream issue, or the code where no issue is known.
`repair_host` runs them all when `mmvideomamba` is imported, before anything
imports mmaction: first what lets it import, then its warnings, reading
checkpoints, distributed runs, resuming, and labels.
"""

import codecs
import functools
import importlib
import importlib.metadata
import os
import sys
import types
import warnings
from typing import Any, Callable, List, Optional

import torch
from torch import nn

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
    average_several_labels_by_sigmoid()
    leave_unlabelled_out_of_average_precision()
    balance_wrapped_datasets()
    explain_other_parameter_groups()


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
    @functools.wraps(load)
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
