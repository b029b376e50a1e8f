"""Whose model a checkpoint is: what is seen, and when the user must say."""

import argparse

import pytest
import torch
from small_checkpoints import VIM_NAME, make_state

from mmvideomamba.checkpoints import identify
from mmvideomamba.models import VideoMamba

IMAGE, VIDEO = make_state(16), make_state(16, times=2)
VIM_URL = 'https://huggingface.co/hustvl/Vim-tiny-midclstok/resolve/main/'
OPENGVLAB_URL = 'https://huggingface.co/OpenGVLab/VideoMamba/resolve/main/'


def arguments(name):
    return argparse.Namespace(model=name)


@pytest.mark.parametrize(
    'content, location, family, evidence',
    [
        (VIDEO, 'a.pth', 'opengvlab_video', 'by its keys'),
        (
            dict(model=IMAGE, args=arguments(VIM_NAME)),
            'a.pth',
            'vim',
            'model name',
        ),
        (
            dict(model=IMAGE, args=dict(model='videomamba_small')),
            'a.pth',
            'opengvlab_image',
            'model name',
        ),
        (IMAGE, 'x/vim_t_midclstok_76p1acc.pth', 'vim', 'file name'),
        (
            IMAGE,
            'videomamba_s16_in1k_res224.pth',
            'opengvlab_image',
            'file name',
        ),
        (
            IMAGE,
            'x/videomamba_m16_in1k_res224to448.pth',
            'opengvlab_image',
            'file name',
        ),
        (
            IMAGE,
            'videomamba_m16_in1k_res224to448to576.safetensors',
            'opengvlab_image',
            'file name',
        ),
        (IMAGE, VIM_URL + 'a.pth', 'vim', 'address'),
        (
            IMAGE,
            OPENGVLAB_URL + 'videomamba_m16_in1k_res224.pth?download=true',
            'opengvlab_image',
            'file name and its address',
        ),
    ],
)
def test_family_is_seen(content, location, family, evidence):
    weights = identify(content, location)
    assert weights.family == family
    assert evidence in weights.evidence
    assert set(weights.head) == {'fc_cls.weight', 'fc_cls.bias'}


@pytest.mark.parametrize(
    'content, location, reason',
    [
        (IMAGE, 'best.pth', 'nothing in it or in its name'),
        (IMAGE, 'my_vim_t_midclstok.pth', 'nothing in it or in its name'),
        (
            dict(model=IMAGE, args=arguments(VIM_NAME)),
            'videomamba_t16_in1k_res224.pth',
            "contradictory: 'vim' by the model .*, 'opengvlab_image' by its",
        ),
        (
            # An older Vim, which does not halve.
            dict(model=IMAGE, args=arguments(VIM_NAME[: -len('_div2')])),
            'vim_t_midclstok_76p1acc.pth',
            'an unknown model',
        ),
    ],
)
def test_family_that_cannot_be_seen_must_be_said(content, location, reason):
    with pytest.raises(ValueError, match=reason) as error:
        identify(content, location)
    assert "family='vim') or family='opengvlab_image'" in str(error.value)
    for family in ('vim', 'opengvlab_image'):
        assert identify(content, location, family).family == family


STRIDE_8 = VIM_NAME.replace('patch16_224', 'patch16_stride8_224')


@pytest.mark.parametrize('family', [None, 'vim', 'opengvlab_image'])
@pytest.mark.parametrize(
    'content, location, evidence',
    [
        (dict(model=IMAGE, args=arguments(STRIDE_8)), 'a.pth', STRIDE_8),
        (dict(model=IMAGE, args=dict(model=STRIDE_8)), 'a.pth', STRIDE_8),
        (IMAGE, 'x/vim_t_midclstok_ft_78p3acc.pth', "'_ft_' in its name"),
        (IMAGE, 'vim_s_midclstok_ft_81p6acc.safetensors', "'_ft_' in its"),
        (IMAGE, VIM_URL + 'vim_t_midclstok_ft_78p3acc.pth?a=b', "'_ft_'"),
    ],
)
def test_overlapping_patches_are_refused(content, location, family, evidence):
    with pytest.raises(ValueError, match='at a stride of 8') as error:
        identify(content, location, family)
    assert location in str(error.value) and evidence in str(error.value)


def test_a_stride_of_whole_patches_is_none():
    name = VIM_NAME.replace('patch16_224', 'patch16_stride16_224')
    content = dict(model=IMAGE, args=arguments(name))
    assert identify(content, 'a.pth').family == 'vim'


def test_family_that_contradicts_the_tensors():
    with pytest.raises(ValueError, match="those of 'opengvlab_video'"):
        identify(VIDEO, 'a.pth', 'vim')
    with pytest.raises(ValueError, match="unknown family 'mamba'"):
        identify(IMAGE, 'a.pth', 'mamba')
    ours = VideoMamba(dict(embed_dims=16, num_layers=1)).state_dict()
    with pytest.raises(ValueError, match="those of 'videomamba'"):
        identify(ours, 'a.pth', 'opengvlab_video')


@pytest.mark.parametrize(
    'container', ['state_dict', 'model', 'module', 'model_ema']
)
@pytest.mark.parametrize('prefix', ['', 'module.', 'backbone.'])
def test_containers_and_prefixes(container, prefix):
    state = {prefix + k: v for k, v in VIDEO.items() if 'head' not in k}
    weights = identify({container: state, 'epoch': 1}, 'a.pth')
    assert weights.family == 'opengvlab_video'
    assert 'patch_embed.proj.weight' in weights.backbone


def test_own_recognizer_is_parted():
    ours = VideoMamba(dict(embed_dims=16, num_layers=1)).state_dict()
    state = {f'backbone.{k}': v for k, v in ours.items()}
    state['cls_head.fc_cls.weight'] = torch.zeros(5, 16)
    weights = identify(dict(state_dict=state, meta={}), 'a.pth')
    assert weights.family == 'videomamba'
    assert set(weights.backbone) == set(ours)
    assert list(weights.head) == ['fc_cls.weight']


@pytest.mark.parametrize(
    'content, message',
    [
        (dict(conv1=torch.zeros(1)), 'another architecture: .* conv1'),
        ([torch.zeros(1)], 'holds a list, expected a dict'),
        (dict(epoch=1), 'holds no tensors.* it holds epoch'),
    ],
)
def test_files_of_other_models(content, message):
    with pytest.raises(ValueError, match=message):
        identify(content, 'a.pth')
