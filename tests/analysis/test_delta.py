"""Delta's maps are the model's own delta, and the model does not notice."""

import pytest
import torch

from mmvideomamba.analysis.delta import record_delta, region_ratio
from mmvideomamba.models import VideoMamba

GRID = (2, 2, 3)


@pytest.fixture(params=['head', 'middle', None])
def model(request):
    torch.manual_seed(0)
    model = VideoMamba(
        arch=dict(embed_dims=16, num_layers=3),
        img_size=(32, 48),
        num_frames=4,
        cls_token_position=request.param,
    )
    return model.eval()


@pytest.fixture
def clips():
    return torch.randn(2, 3, 4, 32, 48)


def delta_by_hand(model, clips, block):
    """Run the blocks before by hand, then ask the mixer."""
    x, _ = model.tokenizer(clips)
    if model.cls_token_position is not None:
        x = torch.cat([model.cls_token.expand(len(x), -1, -1), x], dim=1)
    x = x + model.pos_embed(GRID)
    for layer in model.layers[:block]:
        x = layer(x, model.order)
    layer = model.layers[block]
    delta = layer.mixer.delta(layer.norm(x), model.order).mean(dim=-1)
    return delta[:, :, -12:].reshape(2, 2, *GRID)


@torch.no_grad()
def test_maps_are_the_models_delta_on_the_token_grid(model, clips):
    with record_delta(model, blocks=[0, -1]) as maps:
        model(clips)
    assert sorted(maps) == [0, 2]
    for block, delta in maps.items():
        expected = delta_by_hand(model, clips, block)
        torch.testing.assert_close(delta, expected, rtol=1e-4, atol=1e-6)


def test_the_model_computes_the_same_and_trains(model, clips):
    expected = model(clips)
    with record_delta(model) as maps:
        actual = model(clips)
        actual.sum().backward()
    assert torch.equal(actual, expected)
    assert len(maps) == 3
    assert not any(delta.requires_grad for delta in maps.values())
    assert model.layers[0].mixer.dt_bias.grad is not None


@torch.no_grad()
def test_nothing_stays_behind_even_after_an_error(model, clips):
    def state():
        hooks = [len(m._forward_hooks) for m in model.modules()]
        return hooks, [sorted(vars(m)) for m in model.modules()]

    before = state()
    with pytest.raises(RuntimeError, match='stop'), record_delta(model):
        model(clips)
        raise RuntimeError('stop')
    assert state() == before
    with pytest.raises(ValueError, match='no block 3'):
        record_delta(model, blocks=[0, 3]).__enter__()
    assert state() == before


@torch.no_grad()
def test_recorders_may_be_nested(model, clips):
    with record_delta(model, blocks=[1]) as outer:
        with record_delta(model, blocks=[1]) as inner:
            model(clips)
        seen = inner[1].clone()
        model(clips + 1)
    assert torch.equal(inner[1], seen)
    assert not torch.equal(outer[1], seen)


@torch.no_grad()
def test_maps_follow_the_size_of_the_clip(model):
    with record_delta(model) as maps:
        model(torch.randn(1, 3, 8, 16, 32))
    assert maps[0].shape == (2, 1, 4, 1, 2)


def test_a_model_without_videomamba_is_refused():
    with pytest.raises(ValueError, match='VideoMamba backbone, got'):
        record_delta(torch.nn.Linear(1, 1)).__enter__()


def test_ratio_of_two_regions():
    delta = torch.ones(2, 3, 1, 2, 2)
    delta[1, :, 0, 0] = 3.0
    inside = torch.zeros(3, 1, 2, 2, dtype=torch.bool)
    inside[:2, 0, 0] = True
    ratio = region_ratio(delta, inside, ~inside)
    assert ratio[:, :2].tolist() == [[1.0, 1.0], [3.0, 3.0]]
    assert ratio[:, 2].isnan().all()
