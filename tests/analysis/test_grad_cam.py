"""Grad-CAM on blocks: by hand, on a known place, and nothing left behind."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmaction.models.heads import BaseHead
from small_models import small_recognizer

from mmvideomamba.analysis.grad_cam import grad_cam
from mmvideomamba.registry import MODELS

GRID = (2, 2, 3)
CLIP = (4, 32, 48)


def build(**backbone):
    torch.manual_seed(0)
    model = MODELS.build(
        small_recognizer(img_size=(32, 48), num_layers=3, **backbone)
    )
    model.data_preprocessor.mean = None
    return model.eval()


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (*CLIP, 3), dtype=np.uint8)


def as_clip(frames):
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float()


def cam_by_hand(model, frames, block, label):
    """Gradient times activation of the patches that enter a block."""
    backbone = model.backbone
    x, _ = backbone.tokenizer(as_clip(frames))
    if backbone.cls_token_position is not None:
        x = torch.cat([backbone.cls_token, x], dim=1)
    x = x + backbone.pos_embed(GRID)
    for layer in backbone.layers[:block]:
        x = layer(x, backbone.order)
    tokens = y = x.detach().requires_grad_()
    for layer in backbone.layers[block:]:
        y = layer(y, backbone.order)
    y = backbone._format_output(backbone.norm(y), GRID)
    scores = model.cls_head(y)[0]
    label = scores.argmax() if label is None else label
    (gradient,) = torch.autograd.grad(scores[label], tokens)
    # mmaction2 averages the gradients over each time step.
    gradient = gradient[:, -12:].view(2, 6, 16).mean(1, keepdim=True)
    cam = (gradient * tokens[:, -12:].view(2, 6, 16)).sum(-1).relu()
    cam = F.interpolate(cam.view(1, 1, *GRID), CLIP, mode='trilinear')
    return ((cam - cam.min()) / (cam.max() - cam.min()))[0, 0].detach()


@pytest.mark.parametrize('label', [None, 3])
@pytest.mark.parametrize('position', ['head', 'middle', None])
def test_maps_are_gradient_times_activation(position, label, frames):
    model = build(cls_token_position=position)
    maps, found = grad_cam(model, frames, [0, -1], label)
    assert list(maps) == [0, 2]
    scores = model.cls_head(model.backbone(as_clip(frames)))
    assert found == (scores.argmax().item() if label is None else label)
    for block, cam in maps.items():
        expected = cam_by_hand(model, frames, block, label)
        assert cam.max() == pytest.approx(1) and cam.min() == 0
        torch.testing.assert_close(
            torch.from_numpy(cam), expected, rtol=1e-3, atol=1e-4
        )


class LastStepHead(BaseHead):
    """Its only class is what the first channel is in the last time step."""

    def forward(self, x, **kwargs):
        return x[:, :1, -1].mean(dim=(2, 3))


def test_the_map_shows_the_place_that_the_model_looks_at():
    model = build(out_type='featmap', cls_token_position=None, pos_embed=None)
    model.cls_head = LastStepHead(1, 16, average_clips='prob')
    backbone = model.backbone
    with torch.no_grad():
        # Blocks that change nothing: what a token reads is its place.
        for layer in backbone.layers:
            layer.mixer.out_proj.weight.zero_()
        backbone.tokenizer.proj.weight.fill_(1e-3)
    frames = np.zeros((*CLIP, 3), np.uint8)
    frames[:2, :16, :16] = 255  # at a time that the head does not look at
    frames[2:, 16:, 32:] = 255
    maps, label = grad_cam(model, frames)
    assert label == 0 and len(maps) == 3
    for cam in maps.values():
        assert cam[3, 31, 47] == 1
        # Between the middles of tokens the map is interpolated.
        cam[1:, 8:, 24:] = 0
        assert not cam.any()


def test_the_model_stays_as_it_is(frames):
    model = build(frozen_stages=2).train()
    before = {name: value.clone() for name, value in model.named_buffers()}
    grad_cam(model, frames)
    assert model.training and not model.backbone.layers[0].training
    assert model.cls_head.average_clips == 'prob'
    assert all(p.grad is None for p in model.parameters())
    assert not any(layer._forward_pre_hooks for layer in model.backbone.layers)
    for name, value in model.named_buffers():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    'blocks, label, message',
    [
        ([3], None, 'there is no block 3'),
        (None, 8, 'expected a class from 0 to 7, got 8'),
        (None, -1, 'expected a class from 0 to 7, got -1'),
    ],
)
def test_what_is_not_there(blocks, label, message, frames):
    with pytest.raises(ValueError, match=message):
        grad_cam(build(), frames, blocks, label)
