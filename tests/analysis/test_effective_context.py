"""Influence against the exact Jacobian, context sizes of known maps."""

import pytest
import torch
from torch import nn

from mmvideomamba.analysis.effective_context import (
    context_size,
    token_influence,
)
from mmvideomamba.models import VideoMamba


def test_a_linear_model_has_its_weights_as_influence():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(2 * 4 * 4 * 6, 1))
    clips = torch.randn(3, 2, 4, 4, 6)
    influence = token_influence(model, clips, (2, 2, 3), num_probes=2)
    weight = model[1].weight.reshape(2, 2, 2, 2, 2, 2, 3)
    expected = weight.square().sum((0, 2, 4, 6)).sqrt()
    torch.testing.assert_close(influence, expected.expand(3, -1, -1, -1))


def test_probes_estimate_the_norm_of_the_jacobian():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(96, 8), nn.Tanh())
    clips = torch.randn(1, 1, 4, 4, 6)
    jacobian = torch.autograd.functional.jacobian(model, clips)
    jacobian = jacobian.reshape(8, 2, 2, 2, 2, 2, 3)
    exact = jacobian.square().sum((0, 2, 4, 6)).sqrt()
    influence = token_influence(model, clips, (2, 2, 3), num_probes=300)
    torch.testing.assert_close(influence[0], exact, rtol=0.1, atol=0)


def test_every_token_influences_the_class_token():
    torch.manual_seed(0)
    arch = dict(embed_dims=8, num_layers=1)
    model = VideoMamba(arch=arch, img_size=(16, 32), num_frames=4).eval()
    clips = torch.randn(2, 3, 4, 16, 32)
    influence = token_influence(model, clips, model.tokenizer.tubelet)
    assert influence.shape == (2, 2, 1, 2)
    assert (influence > 0).all()
    assert all(p.grad is None for p in model.parameters())


def test_what_fills_no_tubelet_has_no_token():
    model = nn.Flatten()
    clips = torch.randn(1, 1, 5, 4, 7)
    influence = token_influence(model, clips, (2, 2, 3))
    assert influence.shape == (1, 2, 2, 2)


def test_a_forward_without_gradients_around_it_does_not_matter():
    with torch.no_grad():
        influence = token_influence(
            nn.Flatten(), torch.ones(1, 1, 2, 2, 2), (2, 2, 2), num_probes=1
        )
    assert influence.item() == pytest.approx(8**0.5)


def test_context_sizes_of_known_maps():
    one = torch.zeros(1, 2, 2, 5)
    one[0, 1, 0, 3] = 2.0
    assert context_size(one).item() == pytest.approx(1 / 20)
    everywhere = torch.ones(1, 2, 2, 5)
    assert context_size(everywhere).item() == pytest.approx(0.9)
    assert context_size(everywhere, 0.5).item() == pytest.approx(0.5)
