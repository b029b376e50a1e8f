"""The backbone: shapes, values, order of frames, bad input."""

import pytest
import torch
import torch.nn.functional as F
from conftest import TOLERANCES, assert_within
from test_mixer import mix_by_the_equations

from mmvideomamba.models import VideoMamba, VideoTokenizer
from mmvideomamba.ops.cpu import binding
from mmvideomamba.registry import MODELS

SMALL = dict(
    arch=dict(embed_dims=32, num_layers=2, d_state=4),
    img_size=16,
    patch_size=8,
    num_frames=4,
    drop_path_rate=0.0,
)


def build(**kwargs):
    torch.manual_seed(0)
    return MODELS.build(dict(type='VideoMamba', **{**SMALL, **kwargs})).eval()


def clip(frames=4, size=16, batch=2):
    torch.manual_seed(1)
    return torch.randn(batch, 3, frames, size, size)


@pytest.mark.parametrize(
    'kwargs, count',
    [
        (dict(num_frames=16), 26_233_344),
        (dict(num_frames=8), 25_932_288),
        (dict(num_frames=32), 26_835_456),
        (dict(arch='tiny'), 7_365_888),
    ],
)
def test_parameter_counts_are_the_papers(kwargs, count):
    model = VideoMamba(**kwargs)
    assert sum(p.numel() for p in model.parameters()) == count


def forward_by_the_equations(model, x):
    """Figure 2a in float64, from the model's parameters."""
    p = {name: t.detach().double() for name, t in model.named_parameters()}

    def norm(x, weight):
        rms = x.square().mean(-1, keepdim=True).add(1e-5).sqrt()
        return x / rms * weight

    tubelets = x.double().unfold(2, 2, 2).unfold(3, 8, 8).unfold(4, 8, 8)
    tubelets = tubelets.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(1, 3)
    weight = p['tokenizer.proj.weight'].flatten(1)
    x = tubelets.flatten(2) @ weight.T + p['tokenizer.proj.bias']
    x = torch.cat([p['cls_token'].expand(len(x), 1, -1), x], 1)
    x = x + p['pos_embed.table']
    for i, layer in enumerate(model.layers):
        normed = norm(x, p[f'layers.{i}.norm.weight'])
        x = x + mix_by_the_equations(layer.mixer, normed, model.order)[0]
    return norm(x, p['norm.weight'])


def test_forward_computes_figure_2a(backend):
    model = build(out_type='raw', scan_backend=backend)
    for layer in model.layers:  # large enough to matter beside the residual
        torch.nn.init.normal_(layer.mixer.out_proj.weight, std=0.2)
    expected = forward_by_the_equations(model, clip())
    with torch.no_grad():
        actual = model(clip())
    assert_within(actual, expected, TOLERANCES[torch.float32][1])


def test_out_types_are_views_of_one_result():
    raw = build(out_type='raw')(clip())
    assert raw.shape == (2, 1 + 2 * 2 * 2, 32)
    torch.testing.assert_close(build()(clip()), raw[:, 0])
    average = build(out_type='avg_featmap')(clip())
    torch.testing.assert_close(average, raw[:, 1:].mean(1))
    featmap = build(out_type='featmap')(clip())
    assert featmap.shape == (2, 32, 2, 2, 2) and featmap.is_contiguous()
    torch.testing.assert_close(featmap[:, :, 1, 0, 1], raw[:, 1 + 4 + 1])


def test_without_class_token_the_feature_is_the_mean_of_the_tokens():
    model = build(cls_token_position=None)
    assert not hasattr(model, 'cls_token')
    raw = build(cls_token_position=None, out_type='raw')(clip())
    assert raw.shape == (2, 8, 32)
    torch.testing.assert_close(model(clip()), raw.mean(1))


@pytest.mark.parametrize('position', ['head', 'middle', None])
def test_the_order_of_frames_matters(position):
    model = build(cls_token_position=position, pos_embed=None)
    forward, reverse = model(clip()), model(clip().flip(2))
    assert (forward - reverse).abs().max() > 1e-3


def test_a_bag_of_frames_would_not_see_the_order():
    # The same check on a model that cannot see it: no scan, no positions.
    model = build(cls_token_position=None, pos_embed=None)
    for layer in model.layers:
        torch.nn.init.zeros_(layer.mixer.out_proj.weight)
    swapped = clip().unflatten(2, (2, 2)).flip(2).flatten(2, 3)
    torch.testing.assert_close(model(clip()), model(swapped))


@pytest.mark.parametrize('pos_embed', ['learnable', 'sinusoid', 'factorized'])
def test_other_grids_resize_the_positions(pos_embed):
    model = build(pos_embed=pos_embed, out_type='raw')
    longer = model(clip(frames=8, size=24))
    assert longer.shape == (2, 1 + 4 * 3 * 3, 32)
    assert torch.isfinite(longer).all()
    # An incomplete tubelet is dropped.
    torch.testing.assert_close(
        model(F.pad(clip(), (3, 0, 5, 0, 0, 1))[..., 5:, 3:]), model(clip())
    )


def test_checkpointing_changes_memory_only():
    plain, saving = build().train(), build(with_cp=True).train()
    for model in (plain, saving):
        model(clip()).square().sum().backward()
    for (name, a), b in zip(plain.named_parameters(), saving.parameters()):
        torch.testing.assert_close(a.grad, b.grad, msg=name)


def test_frozen_stages():
    model = build(frozen_stages=1, drop_path_rate=0.5).train()
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert all(n.startswith(('layers.1.', 'norm.')) for n in trained)
    assert {'norm.weight', 'layers.1.mixer.A_log'} <= trained
    assert not model.layers[0].training and model.layers[1].training
    only_inputs = build(frozen_stages=0).train()
    frozen = {
        n for n, p in only_inputs.named_parameters() if not p.requires_grad
    }
    assert frozen == {
        'cls_token',
        'pos_embed.table',
        'tokenizer.proj.weight',
        'tokenizer.proj.bias',
    }


@pytest.mark.parametrize('with_cp', [False, True])
def test_all_blocks_frozen_leave_nothing_to_train(with_cp):
    settings = dict(drop_rate=0.5, drop_path_rate=0.5, with_cp=with_cp)
    model = build(frozen_stages=2, **settings)
    expected = model(clip())
    model.train()
    assert not any(p.requires_grad for p in model.parameters())
    # Nothing is dropped either, and a head behind it can still be trained.
    features = model(clip())
    assert torch.equal(features, expected) and not features.requires_grad


def test_dropout_comes_after_the_positions():
    model = build(drop_rate=1.0, out_type='raw')
    torch.testing.assert_close(model(clip()), build(out_type='raw')(clip()))
    # Without biases, nothing is made of nothing.
    assert not model.train()(clip()).any()


def test_drop_path_rises_linearly():
    model = build(arch=dict(embed_dims=16, num_layers=5), drop_path_rate=0.4)
    rates = [layer.drop_path.drop_prob for layer in model.layers]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_drop_path_keeps_or_skips_a_samples_branch():
    model = build(drop_path_rate=0.5)
    block = model.layers[-1]
    x = torch.randn(16, 3, 32)
    order = torch.arange(3).expand(2, 3)
    branch = block.mixer(block.norm(x), order)
    torch.testing.assert_close(block(x, order), x + branch)
    change = block.train()(x, order) - x
    kept = change.flatten(1).any(1)
    assert 0 < kept.sum() < 16
    torch.testing.assert_close(change[kept], branch[kept] / 0.5)


def test_the_tokenizer_is_a_convolution():
    """Of whole tubelets; incomplete ones at the ends are dropped."""
    projection = VideoTokenizer(3, 5, tubelet_size=2, patch_size=4).proj
    torch.nn.init.normal_(projection.bias)
    clip = torch.randn(2, 3, 5, 9, 14)
    expected = torch.nn.Conv3d.forward(projection, clip)
    torch.testing.assert_close(projection(clip), expected)


def test_a_hook_on_the_convolution_sees_channels_first():
    """As Grad-CAM's target layer: (N, C, T', H', W'), and its gradient."""
    tokenizer = VideoTokenizer(3, 5, tubelet_size=2, patch_size=4)
    seen = []
    tokenizer.proj.register_forward_hook(
        lambda module, inputs, output: seen.append(output)
    )
    tokens, grid = tokenizer(torch.randn(2, 3, 4, 8, 12))
    (featmap,) = seen
    assert grid == (2, 2, 3) and featmap.shape == (2, 5, *grid)
    # Token (t, h, w) is at (t * 2 + h) * 3 + w; it was not copied.
    assert torch.equal(featmap[:, :, 1, 0, 2], tokens[:, 1 * 6 + 0 * 3 + 2])
    assert tokens.is_contiguous()
    assert tokens.data_ptr() == featmap.data_ptr()
    chosen = torch.zeros_like(tokens)
    chosen[1, 8, 3] = 1
    (gradient,) = torch.autograd.grad((tokens * chosen).sum(), seen)
    assert gradient.nonzero().tolist() == [[1, 3, 1, 0, 2]]


def test_deeper_models_start_with_smaller_branches():
    model = build(arch=dict(embed_dims=32, num_layers=4))
    for layer in model.layers:
        weight = layer.mixer.out_proj.weight
        bound = (weight.shape[1] * 4) ** -0.5
        assert weight.abs().max().item() == pytest.approx(bound, rel=0.01)


def test_initialisation_survives_mmengines_init_weights():
    model = build(
        init_cfg=[
            dict(type='Constant', layer='Linear', val=0.5),
            dict(type='Constant', layer='Conv3d', val=0.5),
        ]
    )
    fresh = build()
    model.init_weights()
    for block, untouched in zip(model.layers, fresh.layers):
        assert (block.mixer.in_proj.weight == 0.5).all()
        for name in ('A_log', 'D', 'dt_bias', 'dt_proj', 'x_proj'):
            assert torch.equal(
                getattr(block.mixer, name), getattr(untouched.mixer, name)
            )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float64])
def test_all_of_the_model_in_another_dtype(backend, dtype):
    model = build(scan_backend=backend)
    expected = model(clip())
    actual = model.to(dtype)(clip().to(dtype))
    assert actual.dtype == dtype
    assert_within(actual.float(), expected, 2e-2)


def test_bfloat16_autocast_keeps_the_residual_stream_in_float32(backend):
    model = build(out_type='raw', scan_backend=backend)
    expected = model(clip())
    dtypes = []
    model.layers[1].register_forward_pre_hook(
        lambda _, inputs: dtypes.append(inputs[0].dtype)
    )
    with torch.autocast('cpu', torch.bfloat16):
        actual = model(clip())
    assert dtypes == [torch.float32] and actual.dtype == torch.float32
    assert_within(actual, expected, 2e-2)


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(arch='huge'), "unknown arch 'huge'"),
        (dict(arch=dict(embed_dims=8)), r"missing \['num_layers'\]"),
        (dict(out_type='cls'), "unknown out_type 'cls'"),
        (dict(cls_token_position='tail'), "unknown cls_token_position 'tail'"),
        (dict(pos_embed='sine'), "unknown pos_embed 'sine'"),
        (dict(pos_embed_init='copy'), "unknown pos_embed_init 'copy'"),
        (dict(merge='max'), "unknown merge 'max'"),
        (dict(scan_backend='gpu'), "unknown scan_backend 'gpu'"),
        (dict(scan_orders=[dict(type='Spiral')]), "order 'Spiral', expected"),
        (dict(scan_orders=[]), 'at least one direction'),
        (dict(img_size=20), 'divisible by patch_size 8, got 20'),
        (dict(num_frames=1), r'one tubelet of .*\(2, 8, 8\).*\(1, 16, 16\)'),
        (dict(frozen_stages=3), 'between -1 and the 2 blocks, got 3'),
        (dict(drop_path_rate=1.0), r'drop_path_rate .* \[0, 1\), got 1.0'),
    ],
)
def test_bad_settings_name_what_was_expected_and_what_came(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)


def test_a_misspelt_argument_is_an_error():
    with pytest.raises(TypeError, match='drop_path_rat'):
        build(drop_path_rat=0.1)


def test_clips_that_do_not_fit_are_refused():
    model = build()
    with pytest.raises(ValueError, match=r'\(2, 8, 8\), got .* \(1, 16, 16\)'):
        model(clip(frames=1))
    with pytest.raises(ValueError, match=r'C = 3, got \(2, 4, 16, 16\)'):
        model(clip()[:, 0])


def test_the_reference_runs_no_kernel(monkeypatch):
    """Norms included; those that are not ours are left as they are."""

    def refuse(kernel, args):
        raise AssertionError(f'{kernel} ran')

    monkeypatch.setattr(binding, 'run', refuse)
    for norm_cfg in (dict(type='RMSNorm'), dict(type='LN')):
        model = build(scan_backend='reference', norm_cfg=norm_cfg)
        model(clip()).sum().backward()
        assert hasattr(model.norm, 'backend') == (norm_cfg['type'] != 'LN')


def test_rms_norm_takes_the_backend_of_the_scan(monkeypatch):
    ran = []
    run = binding.run
    monkeypatch.setattr(
        binding, 'run', lambda *args: ran.append(args[0]) or run(*args)
    )
    if binding.kernel_library.why_not() is None:
        build(scan_backend='cpu')(clip())
        assert ran.count('rms_norm') == 3


@pytest.mark.skipif(
    binding.kernel_library.why_not() is not None, reason='takes the kernels'
)
def test_an_exported_model_takes_any_batch():
    model = build()
    batch = torch.export.Dim('batch')
    with torch.no_grad():
        program = torch.export.export(
            model, (clip(),), dynamic_shapes=({0: batch},)
        )
        for size in (1, 2, 5):
            x = clip(batch=size)
            torch.testing.assert_close(program.module()(x), model(x))
    with pytest.raises(AssertionError, match='Guard failed'):
        program.module()(clip(frames=6))


def test_a_compiled_model_takes_other_numbers_of_frames_whole():
    model = build()
    compiled = torch.compile(model, backend='eager', fullgraph=True)
    with torch.no_grad():
        for frames, batch in ((4, 2), (2, 2), (8, 1)):
            x = clip(frames, batch=batch)
            torch.testing.assert_close(compiled(x), model(x))
