"""Each repair of the host mends what is broken and leaves the rest alone."""

import importlib
import importlib.metadata
import pickle
import sys
import types

import mmcv
import numpy as np
import pytest
import torch
from mmaction.utils import dependency
from mmengine.dist import utils as dist_utils
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from mmvideomamba import compat

DRN = 'mmaction.models.localizers.drn.drn'


def test_a_supported_mmcv_passes():
    compat.require_supported_mmcv()


@pytest.mark.parametrize('version', ['1.7.1', '2.2.0'])
def test_another_mmcv_names_the_command(monkeypatch, version):
    monkeypatch.setattr(mmcv, '__version__', version)
    with pytest.raises(ImportError, match=f'found {version}. Run: pip uninst'):
        compat.require_supported_mmcv()


def test_no_mmcv_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv', None)
    with pytest.raises(ImportError, match='Run: pip install "mmcv-lite>=2.0'):
        compat.require_supported_mmcv()


def test_importlib_metadata_is_aliased_only_if_missing(monkeypatch):
    real = importlib.import_module('importlib_metadata')
    compat.alias_importlib_metadata()
    assert sys.modules['importlib_metadata'] is real

    monkeypatch.setitem(sys.modules, 'importlib_metadata', None)
    compat.alias_importlib_metadata()
    assert sys.modules['importlib_metadata'] is importlib.metadata


def test_drn_is_stubbed_where_the_wheel_lacks_it(monkeypatch):
    for name in (DRN, DRN.rpartition('.')[0]):
        monkeypatch.delitem(sys.modules, name, raising=False)
    compat.stub_drn_localizer()
    drn = importlib.import_module(DRN)
    with pytest.raises(ImportError, match='from source and torchvision'):
        drn.DRN()


def test_drn_of_a_sound_mmaction_stays(monkeypatch, tmp_path):
    (tmp_path / 'models' / 'localizers' / 'drn').mkdir(parents=True)
    (tmp_path / '__init__.py').touch()
    spec = importlib.util.spec_from_file_location(
        'mmaction',
        tmp_path / '__init__.py',
        submodule_search_locations=[str(tmp_path)],
    )
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: spec)
    for name in (DRN, DRN.rpartition('.')[0]):
        monkeypatch.delitem(sys.modules, name, raising=False)

    monkeypatch.setitem(sys.modules, 'torchvision', sys)
    compat.stub_drn_localizer()
    assert DRN not in sys.modules

    monkeypatch.setitem(sys.modules, 'torchvision', None)
    compat.stub_drn_localizer()
    assert DRN in sys.modules


def test_without_mmaction_the_command_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, DRN, raising=False)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match='pip install mmaction2==1.2.0'):
        compat.stub_drn_localizer()


@pytest.mark.parametrize('has_timm', [True, False])
def test_multimodal_models_are_off_where_they_cannot_be(monkeypatch, has_timm):
    def install(name, *attributes):
        module = types.ModuleType(name)
        for attribute in attributes:
            setattr(module, attribute, object())
        monkeypatch.setitem(sys.modules, name, module)

    for package in ('timm', 'timm.models', 'transformers'):
        install(package)
    for package in ('transformers.models', 'transformers.models.beit'):
        install(package)
    install('transformers.modeling_utils', 'apply_chunking_to_forward')
    install(
        'transformers.models.beit.modeling_beit', 'BeitRelativePositionBias'
    )
    install('timm.models.layers', 'DropPath')
    if not has_timm:
        monkeypatch.setitem(sys.modules, 'timm.models.layers', None)

    monkeypatch.setattr(dependency, 'WITH_MULTIMODAL', True)
    compat.switch_off_unusable_multimodal()
    assert dependency.WITH_MULTIMODAL is has_timm


def test_video_readers_start_without_deprecation_warnings(capsys):
    from mmengine.fileio import FileClient

    assert FileClient('disk').client is not None
    assert 'deprecated' not in capsys.readouterr().err


def test_the_runners_message_hub_is_read_with_weights_only(tmp_path):
    buffer = HistoryBuffer([1.0, 2.0], [1, 1])
    state = dict(
        log_scalars={'train/loss': buffer},
        acc=np.float64(0.5),
        epoch=np.int64(3),
        weights=torch.ones(2),
    )
    torch.save(state, tmp_path / 'epoch_1.pth')
    loaded = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    assert loaded['log_scalars']['train/loss'].mean() == 1.5
    assert loaded['acc'] == 0.5 and loaded['epoch'] == 3


class Getattr:
    """Pickles as getattr(OWNER, NAME), the step to any function."""

    def __init__(self, owner, name):
        self.owner, self.name = owner, name

    def __reduce__(self):
        return getattr, (self.owner, self.name)


@pytest.mark.parametrize(
    'owner, name', [(torch.Tensor, 'tofile'), (HistoryBuffer, '__class__')]
)
def test_getattr_stays_closed_for_everything_else(tmp_path, owner, name):
    torch.save(dict(x=Getattr(owner, name)), tmp_path / 'bad.pth')
    with pytest.raises((pickle.UnpicklingError, ValueError)):
        torch.load(tmp_path / 'bad.pth', weights_only=True)


def test_ddp_is_repaired_only_without_cuda(monkeypatch):
    # Importing the package has repaired this machine, which has no GPU.
    repaired = Runner.wrap_model
    assert torch.cuda.is_available() or hasattr(repaired, 'without_cuda')

    compat.let_ddp_run_without_cuda()
    assert Runner.wrap_model is repaired

    init = object()
    monkeypatch.setattr(dist_utils, '_init_dist_pytorch', init)
    monkeypatch.setattr(Runner, 'wrap_model', lambda *args: None)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    compat.let_ddp_run_without_cuda()
    assert dist_utils._init_dist_pytorch is init


def test_average_precision_leaves_out_what_has_none():
    from mmaction.evaluation.metrics.acc_metric import (
        mean_average_precision,
        mmit_mean_average_precision,
    )

    scores = [np.array(s) for s in ([0.9, 0.2, 0.4], [0.8, 0.3, 0.7])]
    labels = [np.array(v) for v in ([0, 0, 1], [0, 0, 0])]
    # Of three classes only the last has a video; it is ranked second.
    assert mean_average_precision(scores, labels) == 0.5
    # Of two videos only the first has a class; it is ranked second.
    assert mmit_mean_average_precision(scores, labels) == 0.5
    for mean in (mean_average_precision, mmit_mean_average_precision):
        assert np.isnan(mean(scores, [np.zeros(3)] * 2))
