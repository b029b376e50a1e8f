"""Drop path and dropout by (seed, iteration, place in the batch of all)."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from scipy import stats
from torch.utils.checkpoint import checkpoint

from mmvideomamba.models import VideoMamba, draws, sample_draws
from mmvideomamba.models.draws import SampleDropout, draw_kept, draw_paths

SMALL = dict(
    arch=dict(embed_dims=16, num_layers=3, d_state=4),
    img_size=16,
    patch_size=8,
    num_frames=4,
    drop_path_rate=0.5,
    drop_rate=0.3,
    scan_backend='reference',
)


@pytest.fixture(autouse=True)
def begin():
    """Begin an iteration; draws end with the test."""

    def begin(seed=0, iteration=0, samples=8):
        sample_draws.begin(seed, iteration, samples)

    begin()
    yield begin
    sample_draws.end()


def paths(rates=(0.0, 0.25, 0.5), rows=8):
    return draw_paths(torch.zeros(rows, 1), rates)[..., 0, 0]


def kept(rate=0.5, shape=(8, 6), name='head'):
    return draw_kept(torch.zeros(shape), rate, name)


def test_paths_are_kept_as_often_as_their_rates_say():
    rates, rows = (0.0, 0.25, 0.9), 20_000
    for rate, factors in zip(rates, paths(rates, rows)):
        values = torch.tensor([0.0, 1 / (1 - rate)])
        nearest = (factors[:, None] - values).abs().min(dim=1).values
        assert nearest.max() < 1e-5
        share = (factors > 0).float().mean().item()
        deviation = (rate * (1 - rate) / rows) ** 0.5
        assert abs(share - (1 - rate)) <= 4 * deviation


def test_blocks_samples_iterations_and_seeds_draw_independently(begin):
    drawn = []
    for seed, iteration in itertools.product(range(8), range(8)):
        begin(seed, iteration)
        drawn.append(paths([0.5] * 8))
    drawn = torch.stack(drawn).unflatten(0, (8, 8)).numpy() > 0
    # 4096 draws: neighbours in any direction agree half of the time.
    for axis in range(4):
        ahead = np.moveaxis(drawn, axis, 0)
        same = ahead[:-1] == ahead[1:]
        test = stats.binomtest(int(same.sum()), same.size)
        assert test.pvalue > 1e-3, axis


@pytest.mark.parametrize('together', [1, 2])
def test_processes_draw_what_one_draws(begin, monkeypatch, together):
    """Three processes of two samples, each of one row or two, and one of six.

    The k-th sample of rank r has the place 3 * k + r.
    """
    begin(samples=6)
    rows = 6 * together
    one = paths(rows=rows), kept(shape=(rows, 5)).t()
    begin(samples=2)
    for rank in range(3):
        monkeypatch.setattr(draws, 'get_dist_info', lambda r=rank: (r, 3))
        own = [
            sample * together + row
            for sample in (rank, 3 + rank)
            for row in range(together)
        ]
        rows = 2 * together
        two = paths(rows=rows), kept(shape=(rows, 5)).t()
        for actual, expected in zip(two, one):
            assert torch.equal(actual, expected[:, own])


def test_rows_that_samples_do_not_explain_still_draw(begin):
    begin(samples=3)
    assert paths(rows=7).shape == (3, 7)


def test_dropout_drops_and_scales():
    dropout = SampleDropout(0.3, 'head')
    x = torch.randn(8, 2500, requires_grad=True)
    y = dropout(x)
    assert torch.equal(y, dropout(x))  # a function of its key
    dropped = y == 0
    deviation = (0.3 * 0.7 / x.numel()) ** 0.5
    assert abs(dropped.float().mean().item() - 0.3) <= 4 * deviation
    torch.testing.assert_close(y, x.where(~dropped, 0) / 0.7)
    y.sum().backward()
    torch.testing.assert_close(x.grad, (~dropped).float() / 0.7)
    assert not torch.equal(dropped, SampleDropout(0.3, 'other')(x) == 0)


@pytest.mark.parametrize('rate', [0.0, 0.4, 1.0])
def test_without_a_run_dropout_is_torchs(rate):
    sample_draws.end()
    x, results = torch.randn(4, 50), []
    for dropout in (SampleDropout(rate, 'head'), torch.nn.Dropout(rate)):
        torch.manual_seed(0)
        results.append(dropout(x))
    assert torch.equal(*results)


def build(**changes):
    torch.manual_seed(0)
    return VideoMamba(**{**SMALL, **changes}).train()


RANDOM = torch.Generator().manual_seed(1)
CLIPS = torch.randn(8, 3, 4, 16, 16, generator=RANDOM)


def gradients(model):
    out = model(CLIPS)
    out.square().sum().backward()
    return [out, *(parameter.grad for parameter in model.parameters())]


def test_a_backbone_draws_by_the_iteration_alone(begin):
    model = build()
    torch.manual_seed(5)
    one = model(CLIPS)
    assert torch.equal(one, model(CLIPS))
    begin(iteration=1)
    assert not torch.equal(one, model(CLIPS))
    begin()
    assert torch.equal(one, model(CLIPS))
    # Torch's own generator is left alone.
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(3))


def test_a_branch_is_scaled_by_what_was_drawn():
    model = build(drop_rate=0.0)
    expected = paths([0.0, 0.25, 0.5])
    changes = []
    for layer in model.layers:
        layer.register_forward_hook(
            lambda layer, args, out: changes.append(
                (out - args[0]) / layer.mixer(layer.norm(args[0]), args[1])
            )
        )
    model(CLIPS)
    for change, factors in zip(changes, expected):
        change = change.flatten(1).median(1).values
        torch.testing.assert_close(change, factors, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('whole', [False, True])
def test_what_is_computed_again_is_the_same(whole):
    """The blocks by `with_cp`, or the whole backbone by a wrapper of it."""
    model, saving = build(), build(with_cp=not whole)
    if whole:
        saving.forward = partial(
            checkpoint, saving.forward, use_reentrant=False
        )
    for one, other in zip(*map(gradients, (model, saving))):
        torch.testing.assert_close(one, other)


def test_frozen_blocks_drop_nothing():
    model = build(frozen_stages=2)
    seen = []
    for layer in model.layers:
        layer.register_forward_pre_hook(
            lambda layer, args: seen.append(args[2])
        )
    model(CLIPS)
    assert all((factors == 1).all() for factors in seen[:2])
    assert not (seen[2] == 1).any()


class Dropping(torch.nn.Module):
    """What a backbone does with draws."""

    def __init__(self):
        super().__init__()
        self.dropout = SampleDropout(0.5, 'positions')

    def forward(self, x):
        for kept in draw_paths(x.detach(), [0.0, 0.5]).unbind():
            x = x + kept[..., 0] * x
        return self.dropout(x)


def test_a_compiled_model_draws_anew_in_each_iteration(begin):
    model = Dropping()
    compiled = torch.compile(model, backend='aot_eager', fullgraph=True)
    x, seen = torch.ones(8, 16), []
    for iteration in range(2):
        begin(iteration=iteration)
        seen.append(compiled(x))
        assert torch.equal(seen[-1], model(x))
    assert not torch.equal(*seen)
