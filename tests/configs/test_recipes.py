"""The configs say what they do, and do it on real video files."""

import ast
import copy
import functools
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import Runner

from mmvideomamba.models.videomamba import ARCHS
from mmvideomamba.registry import DATASETS, MODELS
from mmvideomamba.video import write_video

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs'
FOLDER = CONFIGS / 'recognition/videomamba'
# The recipes that train; those of `opengvlab` have tests of their own.
RECIPES = {path.stem: path for path in sorted(FOLDER.glob('*_8xb8-*.py'))}
EVERY = sorted(FOLDER.rglob('*.py'))

NAME = re.compile(
    r'videomamba-(?P<arch>\w+)-p16(-(?P<size>\d+)px)?(-t(?P<tubelet>\d))?'
    r'_(?P<start>in1k|k400)(-(?P<start_frames>\d+)f)?-pre'
    r'_8xb(?P<batch>\d+)(-enhanced)?'
    r'-(u(?P<uniform>\d+)|(?P<frames>\d+)x(?P<interval>\d+)x1)'
    r'-(?P<epochs>\d+)e'
    r'_(?P<data>kinetics400|sthv2|hmdb51)-rgb'
)
NUM_CLASSES = dict(kinetics400=400, sthv2=174, hmdb51=51)
TEST_VIEWS = dict(kinetics400=5 * 3, sthv2=2 * 3, hmdb51=10 * 3)
VIM = dict(tiny='Vim-tiny', small='Vim-small', base='Vim-base')


@functools.lru_cache(None)
def load(path):
    return Config.fromfile(path)


def recipe(name):
    return copy.deepcopy(load(RECIPES[name]))


def one_block(cfg):
    """The model of a config, cut to one block."""
    model = copy.deepcopy(cfg.model)
    backbone = model.backbone
    backbone.pop('init_cfg', None)
    if isinstance(backbone.get('arch'), str):
        backbone.arch = ARCHS[backbone.arch]
    backbone.arch = dict(backbone.arch, num_layers=1)
    return MODELS.build(model)


def test_every_data_set_and_length_of_the_paper_is_there():
    small = 'videomamba-small-p16_in1k-pre_8xb8-'
    expected = set()
    for n in (8, 16, 32):
        expected |= {
            f'{small}{n}x2x1-30e_kinetics400-rgb',
            f'{small}u{n}-35e_sthv2-rgb',
            f'{small}{n}x2x1-50e_hmdb51-rgb',
        }
    for n in (16, 32):
        name = f'{small}{n}x2x1-50e_hmdb51-rgb'
        expected.add(name.replace('in1k', 'k400'))
    for data in ('16x2x1-30e_kinetics400', 'u16-35e_sthv2'):
        expected.add(f'videomamba-tiny-p16_in1k-pre_8xb8-{data}-rgb')
    assert expected <= set(RECIPES)


@pytest.mark.parametrize('name', RECIPES)
def test_name_matches_content(name):
    said, cfg = NAME.fullmatch(name), load(RECIPES[name])
    assert said, f'{name} does not follow the scheme of names'
    backbone = cfg.model.backbone
    assert backbone.arch == said['arch']
    assert backbone.img_size == int(said['size'] or 224)
    assert backbone.get('tubelet_size', 2) == int(said['tubelet'] or 2)
    frames = int(said['frames'] or said['uniform'])
    assert backbone.num_frames == frames

    data = said['data']
    assert cfg.model.cls_head.num_classes == NUM_CLASSES[data]
    for loop in ('train', 'val', 'test'):
        dataset = cfg[f'{loop}_dataloader'].dataset
        assert dataset.data_root == f'data/{data}'
        # inference_recognizer reads the one, the runner the other.
        assert cfg[f'{loop}_pipeline'] == dataset.pipeline
        sampling = dataset.pipeline[1]
        assert sampling.clip_len == frames
        if said['uniform']:
            assert sampling.type == (
                'SegmentSample' if loop == 'test' else 'UniformSample'
            )
        else:
            assert sampling.type == 'SampleFrames'
            assert sampling.frame_interval == int(said['interval'])
    flips = [t for t in cfg.train_pipeline if t.type == 'Flip']
    assert len(flips) == (0 if data == 'sthv2' else 1)

    assert cfg.train_dataloader.batch_size == int(said['batch'])
    assert cfg.auto_scale_lr.base_batch_size == 8 * int(said['batch'])
    assert cfg.train_cfg.max_epochs == int(said['epochs'])

    start = backbone.init_cfg.checkpoint
    if said['start'] == 'in1k':
        assert f'/{VIM[said["arch"]]}-midclstok/' in start
    else:
        folder, run, checkpoint = start.split('/')
        assert folder == 'work_dirs'
        first = NAME.fullmatch(run)
        assert run in RECIPES and first['data'] == 'kinetics400'
        start_frames = said['start_frames'] or said['frames']
        if start_frames:
            assert first['frames'] == start_frames
        assert checkpoint == f'epoch_{first["epochs"]}.pth'


@pytest.mark.parametrize('split', [None, '2', '3'])
def test_hmdb51_takes_its_split_from_the_environment(split, monkeypatch):
    monkeypatch.delenv('HMDB51_SPLIT', raising=False)
    if split:
        monkeypatch.setenv('HMDB51_SPLIT', split)
    split = split or '1'
    names = [name for name in RECIPES if 'hmdb51' in name]
    assert len(names) == 9
    for name in names:
        cfg = Config.fromfile(RECIPES[name])
        for loop, part in dict(train='train', val='val', test='val').items():
            ann_file = cfg[f'{loop}_dataloader'].dataset.ann_file
            assert ann_file == f'hmdb51_{part}_split_{split}_videos.txt'
        assert cfg.work_dir == f'work_dirs/{name}/split{split}'


def bases(path):
    """The files that a config names as its bases."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            names = ast.literal_eval(node.value)
            names = [names] if isinstance(names, str) else names
            return [path.parent / name for name in names]
    return []


def levels(path):
    return 1 + max(map(levels, bases(path)), default=0)


def test_the_tree_stays_small_and_flat():
    files = [p for s in ('py', 'yml', 'md') for p in CONFIGS.rglob(f'*.{s}')]
    assert len(files) <= 45
    for path in EVERY:
        assert levels(path) <= 3, path
        # Pipelines and schedules are written out, not edited.
        assert '_base_.' not in path.read_text(), path


@pytest.mark.parametrize('name', RECIPES)
def test_header_says_what_is_the_papers(name):
    text = RECIPES[name].read_text()
    assert text.startswith('"""')
    header = text.split('"""')[1]
    for field in ('Paper:', 'Command:', 'Hardware:', 'Ours'):
        assert f'\n{field}' in header, field
    # No figure without a word on whose it is.
    header = ' '.join(header.split())
    assert ('%' in header.split('Command:')[0]) == ('not reproduced' in header)
    assert 'not reproduced' in header or 'no row' in header


def test_every_model_builds():
    for path in EVERY:
        cfg = load(path)
        model = one_block(cfg)
        head = model.cls_head
        assert head.fc_cls.in_features == model.backbone.embed_dims, path
        assert head.average_clips == 'prob', path
        # What mmaction2 asks of bounded views.
        if (cfg.model.get('test_cfg') or {}).get('max_testing_views'):
            for loop in {'val_dataloader', 'test_dataloader'} & set(cfg):
                assert cfg[loop].batch_size == 1, path


@pytest.mark.parametrize('pos_embed', ['learnable', 'factorized'])
def test_what_weight_decay_shrinks(pos_embed):
    cfg = recipe(
        'videomamba-small-p16_in1k-pre_8xb8-16x2x1-30e_kinetics400-rgb'
    )
    cfg.model.backbone.pos_embed = pos_embed
    model = one_block(cfg)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    name_of = {id(p): name for name, p in model.named_parameters()}
    groups = {0.0: [], 0.05: []}
    for group in wrapper.optimizer.param_groups:
        assert group['lr'] == 3e-4 and group['betas'] == (0.9, 0.999)
        names = [name_of[id(p)] for p in group['params']]
        groups[group['weight_decay']] += names
    positions = dict(
        learnable=['pos_embed.table'],
        factorized=['pos_embed.spatial', 'pos_embed.temporal'],
    )[pos_embed]
    mixer = 'backbone.layers.0.mixer.'
    assert sorted(groups[0.05]) == sorted(
        [
            'backbone.tokenizer.proj.weight',
            f'{mixer}in_proj.weight',
            f'{mixer}conv_weight',
            f'{mixer}x_proj',
            f'{mixer}dt_proj',
            f'{mixer}out_proj.weight',
            'cls_head.fc_cls.weight',
        ]
    )
    assert sorted(groups[0.0]) == sorted(
        [
            *(f'backbone.{name}' for name in positions),
            'backbone.cls_token',
            'backbone.tokenizer.proj.bias',
            'backbone.layers.0.norm.weight',
            f'{mixer}conv_bias',
            f'{mixer}dt_bias',
            f'{mixer}A_log',
            f'{mixer}D',
            'backbone.norm.weight',
            'cls_head.fc_cls.bias',
        ]
    )


def test_the_readme_swaps_in_the_recipes_optimizer():
    code = re.search(
        r'```python\n(optim_wrapper = .*?)```',
        (ROOT / 'README.md').read_text(),
        re.DOTALL,
    )
    shown = Config.fromstring(code[1], '.py').optim_wrapper
    assert shown.pop('_delete_')
    recipe = load(CONFIGS / '_base_/schedules/adamw_30e.py').optim_wrapper
    for key in ('type', 'clip_grad', 'paramwise_cfg'):
        assert shown[key] == recipe[key]
    for key, value in shown.optimizer.items():
        assert value == recipe.optimizer[key]


@pytest.mark.parametrize('name', RECIPES)
def test_learning_rate_warms_up_and_decays(name):
    cfg, epoch_length = load(RECIPES[name]), 10
    peak = cfg.optim_wrapper.optimizer.lr
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    schedulers = []
    for scheduler in copy.deepcopy(cfg.param_scheduler):
        cls = PARAM_SCHEDULERS.get(scheduler.pop('type'))
        assert scheduler.pop('convert_to_iter_based')
        schedulers.append(
            cls.build_iter_from_epoch(
                optimizer, epoch_length=epoch_length, **scheduler
            )
        )
    rates = []
    for _ in range(cfg.train_cfg.max_epochs * epoch_length):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    warm_up = (5 if 'enhanced' in name else 1) * epoch_length
    assert rates[0] == pytest.approx(0.01 * peak)
    assert rates[:warm_up] == sorted(rates[:warm_up])
    assert rates[warm_up - 1] == pytest.approx(peak)
    assert rates[warm_up:] == sorted(rates[warm_up:], reverse=True)
    # A half cosine passes its middle half way down.
    middle = (warm_up + len(rates)) // 2
    assert rates[middle] == pytest.approx((peak + 1e-6) / 2, rel=0.05)
    assert rates[-1] == pytest.approx(1e-6, abs=0.001 * peak)


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """Real files, wide, or tall and short, that grow brighter."""
    folder = tmp_path_factory.mktemp('videos')
    sizes = dict(wide=(96, 128, 70), short=(128, 96, 9))
    for name, (height, width, length) in sizes.items():
        noise = np.random.default_rng(0).integers(0, 80, (height, width, 3))
        frames = ((noise + 2 * i).astype(np.uint8) for i in range(length))
        write_video(str(folder / f'{name}.mp4'), frames)
    return folder


def on_videos(dataset, videos):
    """The data set of a config, its list file naming our videos."""
    dataset = copy.deepcopy(dataset)
    (videos / dataset.ann_file).write_text('wide.mp4 1\nshort.mp4 1\n')
    return DATASETS.build(
        dict(dataset, data_root=str(videos), data_prefix=dict(video=''))
    )


def unique_pipelines(loop):
    """One config for every different pipeline."""
    found = {}
    for name, path in RECIPES.items():
        dataset = load(path)[f'{loop}_dataloader'].dataset
        found.setdefault(f'{dataset.type} {dataset.pipeline}', name)
    return list(found.values())


def clip_shape(cfg):
    backbone = cfg.model.backbone
    return 3, backbone.num_frames, backbone.img_size, backbone.img_size


@pytest.mark.parametrize('loop', ['train', 'val'])
def test_pipelines_run_on_real_videos(loop, videos):
    for name in unique_pipelines(loop):
        cfg = load(RECIPES[name])
        dataset = on_videos(cfg[f'{loop}_dataloader'].dataset, videos)
        assert len(dataset) == 2
        for samples in dataset:
            if isinstance(samples, dict):
                samples = [samples]
            repeated = loop == 'train' and 'enhanced' in name
            assert len(samples) == (2 if repeated else 1), name
            for sample in samples:
                assert sample['inputs'].shape == (1, *clip_shape(cfg)), name
                assert sample['inputs'].dtype == torch.uint8
                assert sample['data_samples'].gt_label.tolist() == [1]


@pytest.mark.parametrize('name', unique_pipelines('test'))
def test_views_of_a_test(name, videos):
    cfg = load(RECIPES[name])
    dataset = on_videos(cfg.test_dataloader.dataset, videos)
    views = dataset[0]['inputs']
    num_views = TEST_VIEWS[NAME.fullmatch(name)['data']]
    assert views.shape == (num_views, *clip_shape(cfg))
    # The video grows brighter: the frames of a clip are in order, and the
    # clips start at different times.
    brightness = views.float().mean(dim=(1, 3, 4))
    assert (brightness.diff(dim=1) > 0).all()
    starts = sorted(brightness[:, 0].tolist())[:: num_views // 3]
    assert starts == sorted(set(starts))
    assert dataset[1]['inputs'].shape == views.shape


def test_enhanced_recipe_trains(videos, tmp_path):
    """Repeated augmentation, mixup or cutmix and bfloat16, together."""
    cfg = recipe(
        'videomamba-small-p16_in1k-pre_8xb8-enhanced-16x2x1-50e_kinetics400-rgb'
    )
    cfg.model.backbone.update(
        arch=dict(embed_dims=16, num_layers=1),
        img_size=32,
        num_frames=4,
        drop_path_rate=0.0,
    )
    cfg.model.backbone.pop('init_cfg')
    cfg.model.cls_head.in_channels = 16
    pipeline = cfg.train_pipeline
    pipeline[1].clip_len = 4
    pipeline[5].scale = (32, 32)
    dataset = cfg.train_dataloader.dataset
    dataset.update(pipeline=pipeline, data_prefix=dict(video=''))
    dataset.data_root = str(videos)
    (videos / dataset.ann_file).write_text('wide.mp4 7\nshort.mp4 399\n')
    cfg.train_dataloader.update(
        batch_size=2, num_workers=0, persistent_workers=False
    )
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.test_dataloader = cfg.test_cfg = cfg.test_evaluator = None
    cfg.train_cfg.max_epochs = 1
    cfg.work_dir, cfg.experiment_name = str(tmp_path), tmp_path.name
    cfg.randomness = dict(seed=0)
    runner = Runner.from_cfg(cfg)
    batches = []
    forward = runner.model.loss
    runner.model.loss = lambda inputs, samples, **kwargs: (
        batches.append((inputs, samples)) or forward(inputs, samples, **kwargs)
    )
    runner.train()
    ((inputs, samples),) = batches
    # Two videos, each twice.
    assert inputs.shape == (4, 1, 3, 4, 32, 32)
    labels = torch.stack([sample.gt_label for sample in samples])
    assert labels.shape == (4, 400)
    torch.testing.assert_close(labels.sum(1), torch.ones(4))
    assert labels.nonzero()[:, 1].unique().tolist() == [7, 399]
    loss = runner.message_hub.get_scalar('train/loss').current()
    # An untrained head is undecided between its classes.
    assert loss == pytest.approx(math.log(400), rel=0.05)
