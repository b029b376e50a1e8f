"""Each row changes one thing, and the changed model runs."""

import copy
import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from small_models import small_recognizer

from mmvideomamba.analysis.ablations import (
    ABLATIONS,
    NotApplicable,
    changed,
    row_name,
    scale_width,
    summarize,
)
from mmvideomamba.analysis.paper_tables import TABLES
from mmvideomamba.registry import MODELS


def make_config():
    def dataset():
        sample = dict(type='SampleFrames', clip_len=8, frame_interval=4)
        decode = dict(type='DecordDecode')
        return dict(dataset=dict(pipeline=[sample, decode]))

    return Config(
        dict(
            model=small_recognizer(embed_dims=32, num_frames=8),
            train_dataloader=dataset(),
            val_dataloader=dataset(),
            test_dataloader=dataset(),
        )
    )


ROWS = [(name, row) for name in ABLATIONS for row in ABLATIONS[name].rows]
# These start from the positions of an image model.
NEED_WEIGHTS = {
    f'learned, {init}'
    for init in ('interpolate-s', 'interpolate-d', 'expanding')
}
# These are as large as the architecture 'nano'.
NANO_ALONE = set(ABLATIONS['models'].rows) - {'VideoMamba'}
FOLDER = Path(__file__).parents[2] / 'configs/recognition/videomamba'
RECIPES = sorted(FOLDER.glob('*.py'))
K400_HMDB = 'videomamba-small-p16_k400-pre_8xb8-16x2x1-50e_hmdb51-rgb'


@pytest.mark.parametrize('name, row', ROWS)
def test_every_row_gives_a_model_that_runs(name, row):
    if row in NEED_WEIGHTS | NANO_ALONE:
        reason = 'init_cfg' if row in NEED_WEIGHTS else 'architecture nano'
        with pytest.raises(NotApplicable, match=reason):
            changed(make_config(), ABLATIONS[name].rows[row])
        return
    config = changed(make_config(), ABLATIONS[name].rows[row])
    model = MODELS.build(config.model)
    sample = config.test_dataloader.dataset.pipeline[0]
    clips = torch.randn(1, 1, 3, sample.clip_len, 32, 32)
    scores, _ = model.extract_feat(clips, stage='head')
    assert scores.shape == (1, 8)
    assert model.backbone.grid[0] == sample.clip_len // 2


def rows_of(config, ablation):
    rows = {}
    for name, change in ablation.rows.items():
        try:
            rows[name] = changed(config, change)
        except NotApplicable:
            continue
    return rows


def text_of(config):
    """All settings; `pretty_text` takes a tenth of a second."""
    return json.dumps(config.to_dict(), default=repr)


def test_rows_differ_from_one_another_and_leave_the_base_alone():
    base = make_config()
    for ablation in ABLATIONS.values():
        assert ablation.table in TABLES
        rows = rows_of(base, ablation).values()
        assert len(set(map(text_of, rows))) == len(rows)
    assert base.pretty_text == make_config().pretty_text


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_rows_of_any_recipe(path):
    base = Config.fromfile(path)
    weights = 'init_cfg' in base.model.backbone
    for name, ablation in ABLATIONS.items():
        rows = rows_of(base, ablation)
        left_out = set(ablation.rows) - set(rows)
        expected = {'half width'} if weights else NEED_WEIGHTS
        if base.model.backbone.get('arch') != 'nano':
            expected = expected | NANO_ALONE
        assert left_out == expected & set(ablation.rows)
        assert len(set(map(text_of, rows.values()))) == len(rows), name
        for config in rows.values():
            for loop in ('train', 'val', 'test'):
                # inference_recognizer reads the one, the runner the other.
                dataset = config[f'{loop}_dataloader'].dataset
                assert config[f'{loop}_pipeline'] == dataset.pipeline


def test_augmentation_of_a_recipe_stays_where_it_is():
    base = Config.fromfile(FOLDER / f'{K400_HMDB}.py')
    rows = rows_of(base, ABLATIONS['regularization'])
    assert rows['+ label smoothing'].pretty_text == base.pretty_text
    assert rows['+ random aug.'].train_pipeline == base.train_pipeline
    kinds = [step.type for step in rows['neither'].train_pipeline]
    expected = [step.type for step in base.train_pipeline]
    expected.remove('VideoRandAugment')
    assert kinds == expected
    for row in ('neither', '+ random aug.'):
        assert rows[row].model.cls_head.label_smooth_eps == 0


def test_data_sets_in_wrappers_are_changed_too():
    plain = Config.fromfile(FOLDER / f'{K400_HMDB}.py')
    wrapped = copy.deepcopy(plain)
    for loop in ('train', 'test'):
        loader = wrapped[f'{loop}_dataloader']
        both = [copy.deepcopy(loader.dataset) for _ in range(2)]
        concat = dict(type='ConcatDataset', datasets=both)
        loader.dataset = dict(type='RepeatDataset', times=2, dataset=concat)
    # Nor need a config validate.
    wrapped.val_dataloader = None
    for ablation in ABLATIONS.values():
        for name, row in rows_of(plain, ablation).items():
            changed_row = rows_of(wrapped, ablation)[name]
            for loop in ('train', 'test'):
                dataset = changed_row[f'{loop}_dataloader'].dataset.dataset
                expected = row[f'{loop}_dataloader'].dataset.pipeline
                pipelines = [leaf.pipeline for leaf in dataset.datasets]
                assert pipelines == [expected] * 2
                assert changed_row[f'{loop}_pipeline'] == expected


def test_names_of_rows_are_names_of_files():
    names = {row_name('base', *pair) for pair in ROWS}
    assert len(names) == len(ROWS)
    assert 'base_positions-learned-interpolate-s' in names
    assert 'base_regularization-random-aug' in names


def test_frames_cover_the_same_time():
    for change in ABLATIONS['frames'].rows.values():
        config = changed(make_config(), change)
        for loader in ('train', 'val', 'test'):
            step = config[f'{loader}_dataloader'].dataset.pipeline[0]
            assert step.clip_len * step.frame_interval == 32


def test_random_augmentation_comes_after_decoding_and_only_in_training():
    change = ABLATIONS['regularization'].rows['+ random aug.']
    config = changed(changed(make_config(), change), change)
    train = config.train_dataloader.dataset.pipeline
    kinds = ['SampleFrames', 'DecordDecode', 'VideoRandAugment']
    assert [step.type for step in train] == kinds
    assert len(config.val_dataloader.dataset.pipeline) == 2


@pytest.mark.filterwarnings('ignore:torch.meshgrid')  # VideoSwin's
def test_other_models_are_as_large_and_trained_alike():
    base = Config.fromfile(next(FOLDER.glob('videomamba-nano-p16-nocls_*')))
    base.model.backbone.num_frames = 16
    sizes = {}
    for row, config in rows_of(base, ABLATIONS['models']).items():
        model = MODELS.build(config.model)
        model.init_weights()
        clips = torch.randn(2, 1, 3, 16, 64, 64)
        scores, _ = model.extract_feat(clips, stage='head')
        assert scores.shape == (2, 8)
        sizes[row] = sum(p.numel() for p in model.parameters())
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        decays = {
            id(p): group['weight_decay']
            for group in wrapper.optimizer.param_groups
            for p in group['params']
        }
        for name, parameter in model.named_parameters():
            kept = parameter.ndim < 2 or 'pos_embed' in name or 'A_log' in name
            kept = kept or 'bias' in name or name.endswith('mixer.D')
            assert decays[id(parameter)] == (0 if kept else 0.05), name
    assert len(sizes) == 4
    for size in sizes.values():
        assert size == pytest.approx(sizes['VideoMamba'], rel=0.2)


def test_width_of_an_architecture_with_a_name():
    config = make_config()
    config.model.backbone.arch = 'tiny'
    scale_width(0.5, config)
    assert config.model.backbone.arch == dict(embed_dims=96, num_layers=24)
    assert config.model.cls_head.in_channels == 96


def test_summary():
    assert summarize([0.5]) == (0.5, None, 1)
    mean, spread, runs = summarize([0.4, 0.5, 0.6])
    assert (mean, spread, runs) == (pytest.approx(0.5), pytest.approx(0.1), 3)
