"""The configs of published files take such files, by their own commands."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.fileio import load as load_file
from mmengine.runner import Runner, load_checkpoint
from small_checkpoints import make_state, save_vim, save_wrapped

from mmvideomamba.models.videomamba import ARCHS
from mmvideomamba.registry import MODELS
from mmvideomamba.video import write_video

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs/recognition/videomamba'
OPENGVLAB = yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']
ARCH_OF = {'t16': 'tiny', 's16': 'small', 'm16': 'middle'}
CLASSES_OF = {'k400': 400, 'ssv2': 174}


def one_block(cfg):
    """The config's model with a single block."""
    model = cfg.model
    arch = ARCHS[model.backbone.arch]
    model.backbone.arch = dict(arch, num_layers=1)
    return model, arch['embed_dims']


def by_name(entry):
    return entry['Name']


def options_of(entry):
    return entry['Metadata'].get('Config Options', {})


def configured(entry):
    """The config of an entry, with its options."""
    cfg = Config.fromfile(ROOT / entry['Config'])
    cfg.merge_from_dict(options_of(entry))
    return cfg


def test_there_is_an_entry_for_every_published_row():
    assert len(OPENGVLAB) == (3 + 1) * (5 + 3)


@pytest.mark.parametrize('entry', OPENGVLAB, ids=by_name)
def test_opengvlab_config_takes_the_file_of_its_entry(entry, tmp_path):
    cfg = configured(entry)
    header = (ROOT / entry['Config']).read_text().split('"""')[1]
    file = entry['Weights'].rpartition('/')[2]
    # The header gives the command and the published figure.
    assert f'{entry["Results"][0]["Metrics"]["Top 1 Accuracy"]} %  {file}' in (
        header
    )
    assert ' '.join(f'{k}={v}' for k, v in options_of(entry).items()) in header
    arch, dataset, frames, size = re.fullmatch(
        r'videomamba_(\w16)_(\w+?)_(?:mask_ft_)?f(\d+)_res224(?:to(\d+))?\.pth',
        file,
    ).groups()
    frames, size = int(frames), int(size or 224)
    backbone, pipeline = cfg.model.backbone, cfg.test_pipeline
    assert backbone.arch == ARCH_OF[arch]
    assert (backbone.num_frames, backbone.img_size) == (frames, size)
    sample, crop = pipeline[1], pipeline[3]
    clips = dict(k400=4, ssv2=2)[dataset]
    assert (sample.clip_len, sample.num_clips) == (frames, clips)
    assert crop.size == size
    assert cfg.test_dataloader.dataset.pipeline == pipeline
    assert f'3 crops x {clips} clips' in header

    model, dims = one_block(cfg)
    state = make_state(dims, 1, (size // 16) ** 2, frames, CLASSES_OF[dataset])
    model = MODELS.build(model)
    load_checkpoint(model, save_wrapped(tmp_path / 'a.pth', state))
    positions = model.backbone.pos_embed
    assert torch.equal(positions.spatial, state['pos_embed'])
    assert torch.equal(positions.temporal, state['temporal_pos_embedding'])
    assert torch.equal(model.cls_head.fc_cls.bias, state['head.bias'])


def test_opengvlab_file_is_tested_by_the_runner(tmp_path):
    name = 'videomamba-tiny-p16_opengvlab-8f_kinetics400-rgb'
    (entry,) = (entry for entry in OPENGVLAB if entry['Name'] == name)
    cfg = configured(entry)
    # Their settings, small: one block, 32 pixels, two videos.
    cfg.model, dims = one_block(cfg)
    cfg.model.backbone.img_size = cfg.test_pipeline[3].size = 32
    for i in range(2):
        frames = np.random.default_rng(i).integers(
            0, 256, (20, 40, 52, 3), dtype=np.uint8
        )
        write_video(str(tmp_path / f'{i}.mp4'), frames)
    (tmp_path / 'list.txt').write_text('0.mp4 7\n1.mp4 399\n')
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.update(
        pipeline=cfg.test_pipeline,
        data_root=str(tmp_path),
        ann_file='list.txt',
        data_prefix=dict(video='.'),
    )
    cfg.load_from = save_wrapped(
        tmp_path / 'a.pth', make_state(dims, 1, 4, 8, 400)
    )
    scores = str(tmp_path / 'scores.pkl')
    cfg.test_evaluator = [
        cfg.test_evaluator,
        dict(type='DumpResults', out_file_path=scores),
    ]
    cfg.work_dir = str(tmp_path)
    cfg.experiment_name = tmp_path.name
    cfg.log_level = 'ERROR'
    metrics = Runner.from_cfg(cfg).test()
    assert set(metrics) == {'acc/top1', 'acc/top5', 'acc/mean1'}

    # The mean over the 12 views of softmax.
    sample = dict(filename=str(tmp_path / '0.mp4'), label=7, start_index=0)
    video = Compose(cfg.test_pipeline)(sample)['inputs'].float()
    assert video.shape == (12, 3, 8, 32, 32)
    preprocessor = cfg.model.data_preprocessor
    mean, std = (
        torch.tensor(preprocessor[key]).view(3, 1, 1, 1)
        for key in ('mean', 'std')
    )
    model = MODELS.build(cfg.model).eval()
    load_checkpoint(model, cfg.load_from)
    with torch.no_grad():
        views = model.cls_head(model.backbone((video - mean) / std))
    expected = views.softmax(dim=1).mean(dim=0)
    actual = torch.as_tensor(load_file(scores)[0]['pred_score'])
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('size', ['tiny', 'small', 'base'])
def test_vim_starts_the_papers_recipe(size, tmp_path):
    name = f'videomamba-{size}-p16_in1k-pre_8xb8-16x2x1-30e_kinetics400-rgb'
    model, dims = one_block(Config.fromfile(FOLDER / f'{name}.py'))
    init_cfg = model.backbone.init_cfg
    assert re.search(
        rf'/Vim-{size}-midclstok/resolve/main/vim_{size[0]}_midclstok_',
        init_cfg.checkpoint,
    )
    init_cfg.checkpoint = save_vim(
        tmp_path / 'a.pth', make_state(dims, 1, num_patches=196)
    )
    model = MODELS.build(model)
    model.backbone.init_weights()
    assert model.backbone.pos_embed.table.shape == (1, 1569, dims)


K400 = 'videomamba-small-p16_in1k-pre_8xb8-16x2x1-30e_kinetics400-rgb'
TRANSFERS = {
    # Each with its grid of tokens.
    'videomamba-small-p16_k400-16f-pre_8xb8-32x2x1-50e_hmdb51-rgb': (
        (16, 14, 14)
    ),
    'videomamba-small-p16_k400-16f-pre_8xb8-u32-35e_sthv2-rgb': (16, 14, 14),
    'videomamba-small-p16-288px_k400-pre_8xb8-16x2x1-50e_hmdb51-rgb': (
        (8, 18, 18)
    ),
    'videomamba-small-p16-t4_k400-16f-pre_8xb8-32x2x1-50e_hmdb51-rgb': (
        (8, 14, 14)
    ),
}


@pytest.mark.parametrize('name', TRANSFERS)
def test_transfer_config_starts_from_the_k400_model(name, tmp_path):
    trained = MODELS.build(
        one_block(Config.fromfile(FOLDER / f'{K400}.py'))[0]
    )
    torch.save(
        dict(state_dict=trained.state_dict()), tmp_path / 'epoch_30.pth'
    )
    cfg = Config.fromfile(FOLDER / f'{name}.py')
    init_cfg = cfg.model.backbone.init_cfg
    assert init_cfg.checkpoint == f'work_dirs/{K400}/epoch_30.pth'
    init_cfg.checkpoint = str(tmp_path / 'epoch_30.pth')
    model = MODELS.build(one_block(cfg)[0])
    model.init_weights()
    assert model.backbone.grid == TRANSFERS[name]
    assert torch.equal(
        model.backbone.layers[0].mixer.A_log,
        trained.backbone.layers[0].mixer.A_log,
    )
    size = cfg.model.backbone.img_size
    for pipeline in (cfg.train_pipeline, cfg.val_pipeline, cfg.test_pipeline):
        assert pipeline[1].clip_len == cfg.model.backbone.num_frames
    assert cfg.train_pipeline[5].scale == (size, size)
    assert cfg.val_pipeline[3].crop_size == size
    assert cfg.test_pipeline[3].crop_size == size
