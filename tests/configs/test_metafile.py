"""The metafile and the README of the configs list what can be tested."""

import re
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

from mmvideomamba.analysis.flops import count_complexity
from mmvideomamba.models.videomamba import ARCHS
from mmvideomamba.registry import MODELS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs/recognition/videomamba'
MODELS_OF_METAFILE = yaml.safe_load((FOLDER / 'metafile.yml').read_text())[
    'Models'
]
BY_NAME = {model['Name']: model for model in MODELS_OF_METAFILE}
README = (FOLDER / 'README.md').read_text()
# Data set -> frames -> sizes, as the authors name their files.
PUBLISHED = dict(
    k400={8: ['224'], 16: ['224'], 32: ['224'], 64: ['224', '224to384']},
    ssv2={8: ['224'], 16: ['224', '224to288']},
)


def configured(model):
    """The config of an entry, with its options."""
    cfg = Config.fromfile(ROOT / model['Config'])
    cfg.merge_from_dict(model['Metadata'].get('Config Options', {}))
    return cfg


def test_index_finds_the_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert index == dict(
        Import=['configs/recognition/videomamba/metafile.yml']
    )
    assert len(BY_NAME) == len(MODELS_OF_METAFILE)


def test_every_published_file_is_listed_and_nothing_else():
    url = 'https://huggingface.co/OpenGVLab/VideoMamba/resolve/main'
    expected = {
        f'{url}/videomamba_{arch}_{data}_{mask}f{frames}_res{size}.pth'
        for data, sizes_of in PUBLISHED.items()
        for frames, sizes in sizes_of.items()
        for size in sizes
        for arch, mask in (
            ('t16', ''),
            ('s16', ''),
            ('m16', ''),
            ('m16', 'mask_ft_'),
        )
    }
    weights = [model['Weights'] for model in MODELS_OF_METAFILE]
    assert sorted(weights) == sorted(expected)


def test_mmengine_finds_weights_that_fit_a_config_by_its_path():
    # `get_model` takes the first entry of a config, and its config as it is.
    first = {}
    for model in MODELS_OF_METAFILE:
        first.setdefault(model['Config'], model)
    assert len(first) == 9
    for model in first.values():
        assert 'Config Options' not in model['Metadata']
        assert Path(model['Config']).stem == model['Name']


@pytest.mark.parametrize('name', BY_NAME)
def test_entry_says_what_its_config_is(name):
    model = BY_NAME[name]
    data, cfg = model['Metadata'], configured(model)
    backbone = cfg.model.backbone
    arch, px, mask, frames, dataset = re.fullmatch(
        r'videomamba-(\w+)-p16(?:-(\d+)px)?_opengvlab-(mask-)?(\d+)f_(\w+)-rgb',
        name,
    ).groups()
    size = int(px or 224)
    assert backbone.arch == arch
    assert backbone.num_frames == int(frames)
    assert backbone.img_size == size
    assert data['Resolution'] == f'{size}x{size}'
    assert cfg.test_dataloader.dataset.data_root == f'data/{dataset}'
    assert bool(mask) == ('mask' in model['Weights'])
    sampling = cfg.test_pipeline[1]
    like_kinetics = dataset == 'kinetics400' or (mask and size == 288)
    assert sampling.type == (
        'UniformSample' if like_kinetics else 'SegmentSample'
    )
    assert sampling.clip_len == int(frames)

    # Whose results these are.
    (result,) = model['Results']
    assert result['Dataset'] == data['Training Data']
    assert data['Results From'] == 'OpenGVLab, not reproduced'
    assert model['Weights'].startswith(model['Converted From']['Weights'])
    assert model['In Collection'] == 'VideoMamba (OpenGVLab)'

    # The same in the README.
    letter = {'tiny': 'Ti', 'small': 'S', 'middle': 'M'}[arch]
    assert data['Architecture'] == f'VideoMamba-{letter}'
    top1 = result['Metrics']['Top 1 Accuracy']
    label = f'{letter}, masked' if mask else letter
    views = f'{cfg.test_pipeline[1].num_clips} x 3'
    cells = [label, frames, size, views, data['Parameters'][:-1]]
    row = ' | '.join(map(str, [*cells, data['FLOPs'][:-1], top1]))
    (line,) = (line for line in README.splitlines() if f'| {row} |' in line)
    config, weights = re.search(
        r'\[config\]\[(.*?)\].*\]\[(.*?)\]', line
    ).groups()
    assert f'\n[{weights}]: {model["Weights"]}\n' in README
    config = re.search(rf'\n\[{config}\]: (.*)\n', README)[1]
    assert (FOLDER / config).samefile(ROOT / model['Config'])

    # Every block costs the same, so two small models tell the cost of all.
    depth = ARCHS[arch]['num_layers']
    one, two = (
        count_complexity(
            MODELS.build(with_blocks(cfg, blocks)),
            (1, 1, 3, backbone.num_frames, size, size),
        )
        for blocks in (1, 2)
    )
    for value, unit, of_one, of_two in (
        (data['Parameters'], 'M', one.parameters, two.parameters),
        (data['FLOPs'], 'G', one.complete, two.complete),
    ):
        counted = of_one + (depth - 1) * (of_two - of_one)
        scale, digits = dict(M=(1e6, 2), G=(1e9, 1))[unit]
        assert value == f'{counted / scale:.{digits}f}{unit}'


def with_blocks(cfg, blocks):
    model = cfg.copy().model
    arch = ARCHS[cfg.model.backbone.arch]
    backbone = dict(model.backbone, arch=dict(arch, num_layers=blocks))
    return dict(model, backbone=backbone)


def test_readme_lists_every_config_with_its_paper_result():
    linked = set(re.findall(r'^\[[\w-]+\]: (\S+\.py)$', README, re.M))
    there = {
        path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob('*.py')
    }
    assert {n for n in there - linked if 'motionshapes' not in n} == set()
    assert linked <= there
    for key, name in re.findall(r'^\[(r\d+)\]: (\S+\.py)$', README, re.M):
        (row,) = (r for r in README.splitlines() if r.endswith(f'[{key}] |'))
        top1 = row.split(' | ')[-2]
        header = (FOLDER / name).read_text().split('Command:')[0]
        said = re.search(r'([\d.]+) % top-1', header)
        assert top1 == (said[1] if said else '-'), name
