"""Layer decay by value, on the parameter groups of a real recipe."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmvideomamba.registry import MODELS

CONFIGS = Path(__file__).parents[2] / 'configs'
DECAY, LR, LAYERS = 0.5, 1e-3, 3


@pytest.fixture(scope='module')
def model():
    return MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=dict(
                type='VideoMamba',
                arch=dict(embed_dims=16, num_layers=LAYERS),
                img_size=32,
                num_frames=4,
            ),
            cls_head=dict(
                type='VideoMambaHead', num_classes=3, in_channels=16
            ),
        )
    )


def groups_of(model, **paramwise):
    """The recipe's optimizer: the group of each parameter, by its name."""
    path = CONFIGS / '_base_/schedules/adamw_30e.py'
    settings = Config.fromfile(path).optim_wrapper
    settings.optimizer.lr = LR
    settings.optimizer.fused = False
    settings.constructor = 'LayerDecayOptimWrapperConstructor'
    settings.paramwise_cfg.layer_decay = DECAY
    custom_keys = paramwise.pop('custom_keys', {})
    settings.paramwise_cfg.update(paramwise)
    settings.paramwise_cfg.custom_keys.update(custom_keys)
    wrapper = build_optim_wrapper(model, settings)
    by_id = {
        id(parameter): group
        for group in wrapper.param_groups
        for parameter in group['params']
    }
    return {
        name: by_id[id(parameter)]
        for name, parameter in model.named_parameters()
    }


def test_rates_fall_from_the_head_to_the_tokenizer(model):
    groups = groups_of(model)
    rates = {name: group['lr'] for name, group in groups.items()}
    for name, rate in rates.items():
        if name.startswith('backbone.layers.'):
            depth = LAYERS - int(name.split('.')[2])
        elif name.startswith(('backbone.norm', 'cls_head')):
            depth = 0
        else:
            depth = LAYERS + 1
        assert rate == pytest.approx(LR * DECAY**depth), name
    assert rates['backbone.layers.2.mixer.A_log'] == pytest.approx(LR / 2)
    assert rates['backbone.layers.0.norm.weight'] == pytest.approx(LR / 8)
    for name in ('cls_token', 'pos_embed.table', 'tokenizer.proj.weight'):
        assert rates[f'backbone.{name}'] == pytest.approx(LR / 16)
    assert rates['cls_head.fc_cls.weight'] == pytest.approx(LR)


def test_the_recipes_weight_decay_stays(model):
    groups = groups_of(model)
    decayed = {name for name, g in groups.items() if g['weight_decay']}
    assert {g['weight_decay'] for g in groups.values()} == {0.0, 0.05}
    assert not any(
        name.endswith(('bias', 'norm.weight', 'A_log', 'mixer.D'))
        for name in decayed
    )
    assert 'backbone.layers.0.mixer.in_proj.weight' in decayed


def test_a_custom_rate_multiplies(model):
    groups = groups_of(model, custom_keys={'mixer.x_proj': dict(lr_mult=0.1)})
    name = 'backbone.layers.1.mixer.x_proj'
    assert groups[name]['lr'] == pytest.approx(LR * 0.1 / 4)


def test_no_decay_is_one_rate(model):
    rates = {g['lr'] for g in groups_of(model, layer_decay=1).values()}
    assert rates == {LR}


@pytest.mark.parametrize('layer_decay', [0, -0.5, 1.5, '0.75', None])
def test_other_decays_are_refused(model, layer_decay):
    with pytest.raises(ValueError, match=f'at most 1, got {layer_decay}'):
        groups_of(model, layer_decay=layer_decay)


def test_another_model_is_told_where_to_go():
    with pytest.raises(ValueError, match='with one VideoMamba, got 0 in Lin'):
        groups_of(torch.nn.Linear(2, 2))


def test_mmaction2s_layer_decay_names_ours(model):
    settings = dict(
        optimizer=dict(type='AdamW', lr=LR, weight_decay=0.05),
        constructor='LearningRateDecayOptimizerConstructor',
        paramwise_cfg=dict(decay_rate=0.75, num_layers=LAYERS),
    )
    with pytest.raises(NotImplementedError, match='got VideoMamba. For Vid'):
        build_optim_wrapper(model, settings)
    settings['paramwise_cfg']['decay_type'] = 'stage_wise'
    with pytest.raises(NotImplementedError, match='Only support layer wise'):
        build_optim_wrapper(model, settings)
