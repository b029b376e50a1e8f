"""Loaded models compute what the authors of the weights compute."""

import pytest
import torch
from conftest import assert_within
from small_checkpoints import make_state, save_flat, save_vim, save_wrapped

from mmvideomamba.checkpoints.upstream_forward import (
    image_features,
    video_features,
)
from mmvideomamba.models import VideoMamba, VideoMambaHead

TOLERANCE = 1e-5


@pytest.mark.parametrize(
    'dims, layers, tensors, parameters',
    [
        (192, 24, 415, 7_148_008),
        (384, 24, 415, 25_796_584),
        (768, 24, 415, 97_598_440),
    ],
)
def test_files_are_of_the_published_make(dims, layers, tensors, parameters):
    with torch.device('meta'):
        state = make_state(dims, layers, 196, classes=1000)
    assert len(state) == tensors
    assert sum(tensor.numel() for tensor in state.values()) == parameters


def load(checkpoint, dims, layers=2, **settings):
    """A model of `layers` blocks, started from a checkpoint."""
    init_cfg = dict(type='Pretrained', checkpoint=checkpoint)
    init_cfg.update(settings.pop('init', {}))
    model = VideoMamba(
        arch=dict(embed_dims=dims, num_layers=layers),
        img_size=32,
        init_cfg=init_cfg,
        **settings,
    )
    model.init_weights()
    return model.eval()


@torch.no_grad()
def features(model, clip):
    return model(clip[None])[0]


@pytest.mark.parametrize('merge', ['sum', 'mean'])
@pytest.mark.parametrize('pos_embed', ['learnable', 'factorized'])
def test_vim_on_a_still_clip_is_the_image_model(tmp_path, merge, pos_embed):
    state = make_state(192)
    image = torch.randn(3, 32, 32)
    model = load(
        save_vim(tmp_path / 'any.pth', state),
        192,
        num_frames=2,
        tubelet_size=2,
        cls_token_position='middle',
        merge=merge,
        pos_embed=pos_embed,
    )
    expected = image_features(state, image, 'middle', 'mean')
    still = torch.stack([image, image], dim=1)
    assert_within(features(model, still), expected, TOLERANCE)


@pytest.mark.parametrize('inflate', ['average', 'centre'])
def test_vim_with_an_odd_number_of_patches(tmp_path, inflate):
    state = make_state(32, num_patches=9)
    image = torch.randn(3, 48, 48)
    model = VideoMamba(
        arch=dict(embed_dims=32, num_layers=2),
        img_size=48,
        num_frames=3,
        tubelet_size=3,
        cls_token_position='middle',
        init_cfg=dict(
            type='Pretrained',
            checkpoint=save_vim(tmp_path / 'any.pth', state),
            inflate=inflate,
        ),
    )
    model.init_weights()
    expected = image_features(state, image, 'middle', 'mean')
    # 'centre' looks at the middle frame alone.
    others = image if inflate == 'average' else torch.randn(3, 48, 48)
    clip = torch.stack([others, image, others], dim=1)
    assert_within(features(model.eval(), clip), expected, TOLERANCE)


@pytest.mark.parametrize('merge', ['sum', 'mean'])
def test_opengvlab_image_model_does_not_halve(tmp_path, merge):
    state = make_state(32)
    image = torch.randn(3, 32, 32)
    model = load(
        save_flat(tmp_path / 'videomamba_t16_in1k_res224.pth', state),
        32,
        num_frames=2,
        merge=merge,
    )
    expected = image_features(state, image, 'head', 'sum')
    still = torch.stack([image, image], dim=1)
    assert_within(features(model, still), expected, TOLERANCE)


@pytest.mark.parametrize('dims', [192, 384, 576])
def test_opengvlab_video_model(tmp_path, dims):
    state = make_state(dims, times=3)
    clip = torch.randn(3, 3, 32, 32)
    path = save_wrapped(tmp_path / 'any.pth', state)
    model = load(
        path, dims, num_frames=3, tubelet_size=1, pos_embed='factorized'
    )
    expected = video_features(state, clip)
    assert_within(features(model, clip), expected, TOLERANCE)

    head = VideoMambaHead(
        5, dims, init_cfg=dict(type='Pretrained', checkpoint=path)
    )
    head.init_weights()
    scores = head(features(model, clip)[None])[0].detach()
    weight, bias = state['head.weight'], state['head.bias']
    assert_within(
        scores, weight.double() @ expected + bias.double(), TOLERANCE
    )


def test_opengvlab_video_model_with_one_learnable_table(tmp_path):
    state = make_state(32, times=3)
    clip = torch.randn(3, 3, 32, 32)
    path = save_wrapped(tmp_path / 'any.pth', state, 'model', 'module.')
    model = load(path, 32, num_frames=3, tubelet_size=1)
    assert_within(
        features(model, clip), video_features(state, clip), TOLERANCE
    )


def test_half_precision_files_are_computed_in_float32(tmp_path):
    state = {k: v.half() for k, v in make_state(32, times=3).items()}
    clip = torch.randn(3, 3, 32, 32)
    model = load(
        save_flat(tmp_path / 'any.pth', state),
        32,
        num_frames=3,
        tubelet_size=1,
        merge='mean',
        pos_embed='factorized',
    )
    assert_within(
        features(model, clip), video_features(state, clip), TOLERANCE
    )


def test_a_wrong_guess_of_the_family_would_show():
    state = make_state(32)
    image = torch.randn(3, 32, 32)
    right = image_features(state, image, 'middle', 'mean')
    for settings in (('middle', 'sum'), ('head', 'mean'), ('head', 'sum')):
        wrong = image_features(state, image, *settings)
        assert (wrong - right).abs().max() > 0.01 * right.abs().max()
