"""The mixer against a slow loop written from the block's equations."""

import torch
import torch.nn.functional as F
from conftest import TOLERANCES, assert_within

from mmvideomamba.models import SpatioTemporalSSM


def mix_by_the_equations(mixer, tokens, order):
    """One token, one direction at a time, in float64: (output, delta)."""
    p = {name: t.detach().double() for name, t in mixer.named_parameters()}
    x, z = (tokens.double() @ p['in_proj.weight'].T).chunk(2, dim=-1)
    K, D, W = p['conv_weight'].shape
    R, N = p['dt_proj'].shape[2], p['A_log'].shape[2]
    total = torch.zeros_like(x)
    deltas = torch.zeros(K, *x.shape, dtype=torch.float64)
    for k in range(K):
        state = torch.zeros(len(x), D, N, dtype=torch.float64)
        steps = order[k].tolist()
        for t, token in enumerate(steps):
            c = p['conv_bias'][k].expand(len(x), D).clone()
            for w in range(W):
                past = t - (W - 1) + w
                if past >= 0:
                    c += p['conv_weight'][k, :, w] * x[:, steps[past]]
            c = F.silu(c)
            dt, B, C = (c @ p['x_proj'][k].T).split([R, N, N], dim=-1)
            delta = F.softplus(dt @ p['dt_proj'][k].T + p['dt_bias'][k])
            deltas[k, :, token] = delta
            A = -p['A_log'][k].exp()
            state = (delta[..., None] * A).exp() * state
            state += (delta * c)[..., None] * B[:, None]
            total[:, token] += (state * C[:, None]).sum(-1) + p['D'][k] * c
    if mixer.merge == 'mean':
        total /= K
    return (total * F.silu(z)) @ p['out_proj.weight'].T, deltas


def make(K, **kwargs):
    torch.manual_seed(K)
    mixer = SpatioTemporalSSM(32, num_directions=K, d_state=8, **kwargs)
    order = torch.stack([torch.randperm(11) for _ in range(K)])
    return mixer, torch.randn(2, 11, 32), order


def test_forward_computes_the_equations(backend):
    for K in (1, 2, 4):
        mixer, tokens, order = make(K, scan_backend=backend)
        expected, delta = mix_by_the_equations(mixer, tokens, order)
        tolerance = TOLERANCES[torch.float32][1]
        with torch.no_grad():
            assert_within(mixer(tokens, order), expected, tolerance, str(K))
            actual = mixer.delta(tokens, order)
        assert_within(actual, delta, tolerance, f'delta, {K}')


def test_merge_mean_divides_by_the_directions():
    mixer, tokens, order = make(4, merge='mean', scan_backend='reference')
    expected, _ = mix_by_the_equations(mixer, tokens, order)
    actual = mixer(tokens, order).detach()
    assert_within(actual, expected, TOLERANCES[torch.float32][1])


def test_gradients_reach_every_parameter(backend):
    mixer, tokens, order = make(2, scan_backend=backend)
    mixer(tokens, order).square().sum().backward()
    for name, parameter in mixer.named_parameters():
        grad = parameter.grad
        assert torch.isfinite(grad).all(), name
        assert (grad.abs().amax(dim=tuple(range(1, grad.ndim))) > 0).all()


def test_every_direction_is_initialised_as_mamba():
    mixer, _, _ = make(4)
    A = torch.arange(1.0, 9.0).expand(4, 64, 8)
    torch.testing.assert_close(mixer.A_log.exp(), A)
    assert (mixer.D == 1).all()
    dt = F.softplus(mixer.dt_bias)
    for k in range(4):
        assert dt[k].min() >= 0.001 and dt[k].max() <= 0.1001
        # Log-uniform: half lies below the geometric mean of the bounds.
        assert 0.25 < (dt[k] < 0.01).float().mean() < 0.75
        assert 0.5 < mixer.dt_proj[k].abs().max() * mixer.dt_rank**0.5 <= 1
