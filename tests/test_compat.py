"""Each repair of the host mends what is broken and leaves the rest alone."""

import importlib
import importlib.metadata
import os
import pickle
import socket
import sys
import types
from types import SimpleNamespace

import mmcv
import mmengine
import numpy as np
import pytest
import torch
from mmaction.evaluation import AccMetric
from mmaction.structures import ActionDataSample
from mmaction.utils import dependency
from mmengine.config import Config
from mmengine.dist import utils as dist_utils
from mmengine.evaluator import Evaluator
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.registry import MODELS as HOST_MODELS
from mmengine.registry import STRATEGIES, DefaultScope
from mmengine.runner import FlexibleRunner, Runner
from torch.nn.parallel import DistributedDataParallel

import mmvideomamba
from mmvideomamba.compat import configs, distributed, imports
from mmvideomamba.registry import MODELS

DRN = 'mmaction.models.localizers.drn.drn'


def test_a_supported_mmcv_passes():
    imports.require_supported_mmcv()


@pytest.mark.parametrize('version', ['1.7.1', '2.2.0'])
def test_another_mmcv_names_the_command(monkeypatch, version):
    monkeypatch.setattr(mmcv, '__version__', version)
    with pytest.raises(ImportError, match=f'found {version}. Run: pip uninst'):
        imports.require_supported_mmcv()


def test_no_mmcv_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv', None)
    with pytest.raises(ImportError, match='Run: pip install "mmcv-lite>=2.0'):
        imports.require_supported_mmcv()


def test_importlib_metadata_is_aliased_only_if_missing(monkeypatch):
    real = importlib.import_module('importlib_metadata')
    imports.alias_importlib_metadata()
    assert sys.modules['importlib_metadata'] is real

    monkeypatch.setitem(sys.modules, 'importlib_metadata', None)
    imports.alias_importlib_metadata()
    assert sys.modules['importlib_metadata'] is importlib.metadata


def test_drn_is_stubbed_where_the_wheel_lacks_it(monkeypatch):
    for name in (DRN, DRN.rpartition('.')[0]):
        monkeypatch.delitem(sys.modules, name, raising=False)
    imports.stub_drn_localizer()
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
    imports.stub_drn_localizer()
    assert DRN not in sys.modules

    monkeypatch.setitem(sys.modules, 'torchvision', None)
    imports.stub_drn_localizer()
    assert DRN in sys.modules


def test_without_mmaction_the_command_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, DRN, raising=False)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match='pip install mmaction2==1.2.0'):
        imports.stub_drn_localizer()


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
    imports.switch_off_unusable_multimodal()
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


def test_scores_that_are_not_finite_end_an_evaluation():
    evaluator = Evaluator([])
    samples = [ActionDataSample().set_pred_score(torch.ones(3))] * 2
    evaluator.process(samples)
    samples[1] = ActionDataSample().set_pred_score(
        torch.tensor([0.5, float('nan'), 0.5])
    )
    with pytest.raises(
        ValueError, match=r'got 0\.5, nan, 0\.5 for sample 1 of a batch'
    ):
        evaluator.process(samples)


def test_mmengine_finds_packages_without_pkg_resources():
    folder = os.path.dirname(mmcv.__file__)
    mmaction = os.path.join(os.path.dirname(folder), 'mmaction')
    for name, path in (
        ('mmcv', folder),
        ('mmaction2', mmaction),  # the package's name, and the module's
        ('mmaction', mmaction),
        ('mmvideomamba', os.path.dirname(mmvideomamba.__file__)),
    ):
        assert mmengine.utils.is_installed(name)
        assert mmengine.utils.get_installed_path(name) == path
    assert not mmengine.utils.is_installed('no_such_package')
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        mmengine.utils.get_installed_path('no_such_package')


def test_pkg_resources_stays_where_it_is(monkeypatch):
    monkeypatch.setattr(configs, 'find_spec', lambda name: object())
    monkeypatch.setattr(mmengine.utils, 'is_installed', None)
    configs.find_packages_without_pkg_resources()
    assert mmengine.utils.is_installed is None


def test_configs_inherit_from_mmaction2(tmp_path):
    base = 'mmaction::_base_/models/tsn_r50.py'
    path = tmp_path / 'config.py'
    path.write_text(
        f'_base_ = {base!r}\nmodel = dict(backbone=dict(depth=18))'
    )
    model = Config.fromfile(path).model
    assert (model.type, model.backbone.depth) == ('Recognizer2D', 18)


def test_configs_inherit_from_ours(tmp_path, monkeypatch):
    # As in a wheel, whose .mim folder holds the configs.
    folder = tmp_path / 'mmvideomamba' / '.mim' / 'configs' / '_base_'
    folder.mkdir(parents=True)
    (folder / 'base.py').write_text("model = dict(type='VideoMambaHead')")
    (tmp_path / 'mmvideomamba' / '.mim' / 'model-index.yml').write_text(
        'Import: []'
    )
    monkeypatch.setattr(
        'mmengine.config.config.get_installed_path',
        lambda package: str(tmp_path / package),
    )
    path = tmp_path / 'config.py'
    path.write_text("_base_ = 'mmvideomamba::_base_/base.py'")
    model = Config.fromfile(path).model
    with DefaultScope.overwrite_default_scope('mmengine'):
        head = HOST_MODELS.build(dict(model, num_classes=2, in_channels=3))
    assert type(head).__name__ == 'VideoMambaHead'


@pytest.mark.parametrize('kind', ['TSNHead', 'I3DHead', 'VideoMambaHead'])
@pytest.mark.parametrize('average_clips', ['prob', 'score'])
def test_heads_score_in_float32_under_bfloat16_autocast(kind, average_clips):
    torch.manual_seed(0)
    head = MODELS.build(
        dict(
            type=kind,
            num_classes=6,
            in_channels=4,
            average_clips=average_clips,
        )
    )
    shape = dict(TSNHead=(6, 4, 2, 2)).get(kind, (6, 4, 2, 2, 2))
    samples = [ActionDataSample().set_gt_label(i % 6) for i in range(6)]
    arguments = torch.randn(shape), samples
    more = dict(num_segs=1) if kind == 'TSNHead' else {}
    with torch.no_grad():
        exact = head.eval().loss(*arguments, **more)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        losses = head.loss(*arguments, **more)
        predicted = head.predict(*arguments, **more)
    assert losses['loss_cls'].dtype == torch.float32
    torch.testing.assert_close(losses, exact, rtol=1e-2, atol=0)
    scores = [sample.pred_score for sample in predicted]
    assert {score.dtype for score in scores} == {torch.float32}
    metric = AccMetric()
    metric.process(None, [sample.to_dict() for sample in predicted])
    top1 = metric.compute_metrics(metric.results)['top1']
    assert top1 == pytest.approx(exact['top1_acc'].item())


def test_both_heads_of_rgbpose_score_in_float32():
    head = MODELS.build(
        dict(
            type='RGBPoseHead',
            num_classes=6,
            in_channels=[4, 3],
            average_clips='prob',
            loss_components=['rgb', 'pose'],
        )
    )
    samples = [ActionDataSample().set_gt_label(i) for i in range(4)]
    feats = torch.randn(4, 4, 1, 2, 2), torch.randn(4, 3, 1, 2, 2)
    with torch.autocast('cpu', torch.bfloat16):
        losses = head.loss(feats, samples)
    assert losses['rgb_loss_cls'].dtype == torch.float32
    assert 0 <= losses['pose_top5_acc'] <= 1


class Backbone(torch.nn.Linear):
    def forward(self, x):
        compiled = torch.compiler.is_compiling()
        return super().forward(x), torch.tensor(compiled)


class Net(BaseModel):
    """A backbone, and steps that no compiler should trace."""

    def __init__(self):
        super().__init__()
        self.backbone = Backbone(2, 1)

    def forward(self, inputs, mode):
        assert not torch.compiler.is_compiling()
        x, self.is_compiled = self.backbone(torch.stack(inputs))
        return dict(loss=x.square().mean())


@pytest.mark.parametrize('kind', ['Runner', 'FlexibleRunner'])
@pytest.mark.parametrize('options', [dict(fullgraph=True), False])
def test_compile_takes_the_backbone_alone(tmp_path, kind, options):
    if options:
        options = dict(options, backend='eager')
    arguments = dict(
        model=Net(),
        work_dir=str(tmp_path),
        train_dataloader=dict(
            batch_size=2,
            dataset=[dict(inputs=torch.ones(2))] * 4,
            sampler=dict(type='DefaultSampler'),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(checkpoint=None, logger=None),
        log_level='ERROR',
        experiment_name=f'compile_{kind}_{bool(options)}',
    )
    if kind == 'Runner':
        runner = Runner(**arguments, cfg=dict(compile=options))
    else:
        runner = FlexibleRunner(**arguments, compile=options, launcher='none')
    before = runner.model.backbone.weight.clone()
    runner.train()
    assert runner.model.is_compiled == bool(options)
    assert not torch.equal(runner.model.backbone.weight, before)
    assert set(runner.model.state_dict()) == {
        'backbone.weight',
        'backbone.bias',
    }


@pytest.fixture
def one_process(monkeypatch):
    """The environment in which torchrun starts a single process."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    for name, value in dict(
        RANK=0,
        LOCAL_RANK=0,
        WORLD_SIZE=1,
        LOCAL_WORLD_SIZE=1,
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=port,
        OMPI_COMM_WORLD_LOCAL_RANK=0,
        OMPI_COMM_WORLD_RANK=0,
        OMPI_COMM_WORLD_SIZE=1,
        SLURM_PROCID=0,
        SLURM_LOCALID=0,
        SLURM_NTASKS=1,
        SLURM_NODELIST='here',
    ).items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv('GLOO_SOCKET_IFNAME', raising=False)
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason='a GPU')


@without_gpu
@pytest.mark.filterwarnings('ignore:`broadcast_buffers` is deprecated')
@pytest.mark.parametrize('launcher', ['pytorch', 'mpi', 'slurm'])
def test_every_launcher_takes_gloo_without_cuda(one_process, launcher):
    dist_utils.init_dist(launcher, 'nccl', timeout=60)
    assert torch.distributed.get_backend() == 'gloo'
    if launcher == 'pytorch':
        strategy = STRATEGIES.get('DDPStrategy')
        wrapped = strategy._wrap_model(
            SimpleNamespace(
                model_wrapper=None, convert_model=lambda model: model
            ),
            Net(),
        )
        assert wrapped.device_ids is None and not wrapped.broadcast_buffers


@without_gpu
@pytest.mark.parametrize(
    'launcher, of_two',
    [
        ('pytorch', dict(WORLD_SIZE=4, LOCAL_WORLD_SIZE=2)),
        ('mpi', dict(OMPI_COMM_WORLD_SIZE=2, OMPI_COMM_WORLD_LOCAL_SIZE=1)),
        ('slurm', dict(SLURM_NTASKS=2, SLURM_NNODES=2)),
    ],
)
def test_nodes_that_gloo_cannot_join_are_told_the_variable(
    one_process, monkeypatch, launcher, of_two
):
    for name, value in of_two.items():
        monkeypatch.setenv(name, str(value))
    # As on Debian, whose /etc/hosts gives every machine a loopback address.
    monkeypatch.setattr(socket, 'gethostname', lambda: '127.0.1.1')
    with pytest.raises(RuntimeError, match='set GLOO_SOCKET_IFNAME to the'):
        dist_utils.init_dist(launcher, 'nccl')

    monkeypatch.setattr(socket, 'gethostname', lambda: 'no such machine')
    with pytest.raises(RuntimeError, match='set GLOO_SOCKET_IFNAME to the'):
        distributed.require_gloo_meets_other_nodes(launcher)
    monkeypatch.setenv('GLOO_SOCKET_IFNAME', 'eth0')
    distributed.require_gloo_meets_other_nodes(launcher)


def test_ddp_is_repaired_only_without_cuda(monkeypatch):
    # Importing the package has repaired this machine, which has no GPU.
    repaired = DistributedDataParallel.__init__
    assert torch.cuda.is_available() or hasattr(repaired, 'without_cuda')

    distributed.let_ddp_run_without_cuda()
    assert DistributedDataParallel.__init__ is repaired

    init = object()
    monkeypatch.setattr(dist_utils, '_init_dist_pytorch', init)
    monkeypatch.setattr(DistributedDataParallel, '__init__', init)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    distributed.let_ddp_run_without_cuda()
    assert dist_utils._init_dist_pytorch is init
    assert DistributedDataParallel.__init__ is init


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
