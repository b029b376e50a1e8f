"""init_cfg adapts, load_from does not; both load all or nothing."""

import pytest
import torch
from mmengine.runner import load_checkpoint
from small_checkpoints import make_state, save_flat, save_vim, save_wrapped
from small_models import small_recognizer

from mmvideomamba.checkpoints import load_backbone
from mmvideomamba.models import VideoMamba, VideoMambaHead
from mmvideomamba.registry import MODELS

ARCH = dict(embed_dims=32, num_layers=2)


def backbone(checkpoint=None, arch=ARCH, **settings):
    settings = dict(
        dict(img_size=32, num_frames=4, scan_backend='reference'), **settings
    )
    if checkpoint is not None:
        settings['init_cfg'] = dict(
            type='Pretrained', checkpoint=str(checkpoint)
        )
    return VideoMamba(arch, **settings)


def recognizer(num_classes=5, **settings):
    return MODELS.build(
        small_recognizer(num_classes, **dict(dict(arch=ARCH), **settings))
    )


def snapshot(model):
    return {k: v.clone() for k, v in model.state_dict().items()}


def assert_untouched(model, before):
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def save_recognizer(path, model):
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=1)), path)
    return str(path)


@pytest.fixture
def log(monkeypatch):
    """What is logged."""
    lines = []
    monkeypatch.setattr(
        'mmvideomamba.checkpoints.resuming.print_log',
        lambda text, **_: lines.append(text),
    )
    monkeypatch.setattr(
        'mmvideomamba.checkpoints.pretrained.print_log',
        lambda text, **_: lines.append(text),
    )
    return lines


def test_report_of_a_vim_checkpoint(tmp_path, log):
    path = save_vim(tmp_path / 'a.pth', make_state(32))
    backbone(path).init_weights()
    (report,) = log
    assert report.splitlines()[1:] == [
        '  loaded     20 tensors unchanged',
        '  adapted    pos_embed | image 1x2x2, 32 channels -> 2x2x2 | class '
        "token's row from the middle to the front; 'expand' to 2 time steps",
        '  adapted    cls_token | middle -> head | another position in the '
        "scan, the model's cls_token_position",
        '  adapted    tokenizer.proj.weight | (32, 3, 16, 16) -> '
        '(32, 3, 2, 16, 16) | repeated 2 times, averaged',
        '  adapted    layers.*.mixer.out_proj.weight | divided by 2: mean -> '
        'sum of the directions',
        '  unexpected head: fc_cls.weight | (5, 32)',
        '  unexpected head: fc_cls.bias | (5,)',
    ]
    assert f'{path} (Vim, images), recognised by the model name' in report


def test_a_self_distilled_image_model_loads_without_that_head(tmp_path, log):
    state = make_state(32)
    path = save_flat(tmp_path / 'videomamba_m16_in1k_res224.pth', state)
    expected = backbone(path)
    expected.init_weights()
    state['distill_head.weight'] = torch.randn(5, 32)
    state['distill_head.bias'] = torch.randn(5)
    save_flat(path, state)
    model = backbone(path)
    model.init_weights()
    assert_untouched(model, snapshot(expected))
    assert log[1].splitlines()[1:] == [
        *log[0].splitlines()[1:-2],
        '  unexpected distill_head.* | of self-distillation; its scores are '
        'not used',
        *log[0].splitlines()[-2:],
    ]
    # An image model is tested as it is.
    load_checkpoint(recognizer(tubelet_size=1, num_frames=1), path)


def masked(state, layers=6):
    """The file of a masked pre-training with such an encoder."""
    state = {k: v for k, v in state.items() if not k.startswith('head.')}
    state['norm.weight'] = state.pop('norm_f.weight')
    for i in range(layers):
        state[f'clip_decoder.{i}.head.weight'] = torch.randn(8, 32)
        state[f'clip_decoder.{i}.head.bias'] = torch.randn(8)
        state[f'clip_decoder.{i}.norm.weight'] = torch.randn(8)
        state[f'clip_decoder.{i}.norm.bias'] = torch.randn(8)
    return state


def test_a_masked_pretraining_starts_a_model(tmp_path, log):
    settings = dict(tubelet_size=1, pos_embed='factorized')
    state = make_state(32, times=4)
    expected = backbone(save_flat(tmp_path / 'a.pth', state), **settings)
    expected.init_weights()
    path = save_wrapped(tmp_path / 'm_mask_pt.pth', masked(state), 'model')
    model = backbone(path, **settings)
    model.init_weights()
    assert_untouched(model, snapshot(expected))
    line = '  unexpected clip_decoder.* | decoder of a masked pre-training'
    assert line in log[1].splitlines()
    # It is no model to test or resume.
    with pytest.raises(ValueError, match=r'clip_decoder.\* .* init_cfg'):
        load_checkpoint(recognizer(**settings), path)
    # Two norms at the end: nothing says which.
    state = dict(masked(state), **{'norm_f.weight': torch.ones(32)})
    path = save_flat(tmp_path / 'b.pth', state)
    with pytest.raises(ValueError, match=r"unexpected keys \['norm_f.weight'"):
        load_backbone(backbone(**settings), path)


def test_init_cfg_list_keeps_mmengine_initialisers(tmp_path):
    path = save_flat(tmp_path / 'a.pth', make_state(32, times=2))
    model = VideoMamba(
        ARCH,
        img_size=32,
        num_frames=2,
        tubelet_size=1,
        init_cfg=[
            dict(type='Constant', val=7.0, layer='Linear'),
            dict(type='Pretrained', checkpoint=path),
        ],
    )
    model.init_weights()
    assert not (model.layers[0].mixer.in_proj.weight == 7).any()
    head = VideoMambaHead(
        5, 32, init_cfg=dict(type='Constant', val=7.0, layer='Linear')
    )
    head.init_weights()
    assert (head.fc_cls.weight == 7).all()


def test_init_cfg_options_are_checked(tmp_path):
    model = VideoMamba(
        ARCH, init_cfg=dict(type='Pretrained', checkpoint='a', prefix='b.')
    )
    with pytest.raises(ValueError, match=r"got \['checkpoint', 'prefix'\]"):
        model.init_weights()
    path = save_flat(tmp_path / 'a.pth', make_state(32, times=2))
    with pytest.raises(ValueError, match="unknown inflate 'center'"):
        load_backbone(backbone(), path, inflate='center')


BAD_STATES = {
    'wrong width': (make_state(48), '48 channels x 2 blocks, .* 32 x 2'),
    'wrong depth': (make_state(32, 3), '32 channels x 3 blocks, .* 32 x 2'),
    'another patch size': (
        make_state(32, patch=14),
        r'proj.weight is \(32, 3, 2, 14, 14\), the model needs '
        r'\(32, 3, 2, 16, 16\).*patch_size',
    ),
    'unexpected keys': (
        dict(make_state(32), **{'rope.freqs': torch.zeros(1)}),
        r"unexpected keys \['rope.freqs'\]",
    ),
    'one direction': (
        {k: v for k, v in make_state(32).items() if 'conv1d.w' not in k},
        'only one direction of .*conv_weight',
    ),
    'missing keys': (
        {k: v for k, v in make_state(32).items() if 'in_proj' not in k},
        'layers.0.mixer.in_proj.weight is missing; layers.1',
    ),
    'another architecture': (
        {'conv1.weight': torch.zeros(3)},
        'another architecture',
    ),
}


@pytest.mark.parametrize('what', BAD_STATES)
def test_what_does_not_fit_loads_nothing(tmp_path, what):
    state, message = BAD_STATES[what]
    path = save_flat(tmp_path / 'vim_t_midclstok_76p1acc.pth', state)
    model = backbone(path)
    before = snapshot(model)
    with pytest.raises(ValueError, match=message) as error:
        model.init_weights()
    assert path in str(error.value)
    assert '\n' not in str(error.value)
    assert_untouched(model, before)


def test_number_of_directions_must_fit(tmp_path):
    path = save_flat(tmp_path / 'a.pth', make_state(32, times=2))
    orders = [dict(type='SpatioTemporalForward')] * 4
    with pytest.raises(ValueError, match='number of scan_orders'):
        load_backbone(backbone(scan_orders=orders), path)


def test_full_recognizer_reloads_bitwise(tmp_path):
    trained, model = recognizer(), recognizer()
    path = save_recognizer(tmp_path / 'epoch_1.pth', trained)
    load_checkpoint(model, path)
    assert_untouched(model, snapshot(trained))
    alone = backbone(path)
    alone.init_weights()
    assert_untouched(alone, snapshot(trained.backbone))
    head = VideoMambaHead(
        5, 32, init_cfg=dict(type='Pretrained', checkpoint=path)
    )
    head.init_weights()
    assert_untouched(head, snapshot(trained.cls_head))
    alone = backbone()
    load_checkpoint(alone, path)
    assert_untouched(alone, snapshot(trained.backbone))


def test_runner_loads_published_files_as_they_are(tmp_path):
    state = make_state(32, times=4)
    settings = dict(tubelet_size=1, pos_embed='factorized')
    model = recognizer(**settings)
    load_checkpoint(model, save_wrapped(tmp_path / 'a.pth', state, 'model'))
    expected = backbone(tmp_path / 'a.pth', **settings)
    expected.init_weights()
    assert_untouched(model.backbone, snapshot(expected))
    assert torch.equal(model.cls_head.fc_cls.weight, state['head.weight'])


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(arch=dict(embed_dims=64, num_layers=2)), '32 channels x 2'),
        (dict(arch=dict(embed_dims=32, num_layers=3)), 'the model 32 x 3'),
        (dict(tubelet_size=4), 'adapted tokenizer.proj.weight .* init_cfg'),
        (dict(patch_size=8), 'the model needs .* 8, 8'),
        (dict(cls_token_position=None), 'unexpected cls_token'),
        (dict(pos_embed='factorized'), 'nearest sum'),
        (dict(pos_embed=None), 'unexpected pos_embed'),
    ],
)
def test_runner_refuses_a_checkpoint_of_another_model(
    tmp_path, settings, message
):
    path = save_recognizer(tmp_path / 'a.pth', recognizer())
    model = recognizer(**settings)
    before = snapshot(model)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(model, path)
    assert_untouched(model, before)


def test_runner_refuses_another_class_token(tmp_path):
    path = save_vim(tmp_path / 'a.pth', make_state(32))
    model = recognizer(tubelet_size=1, num_frames=1)
    with pytest.raises(
        ValueError, match=r'adapted cls_token \(another position'
    ):
        load_checkpoint(model, path)
    model = recognizer(
        tubelet_size=1, num_frames=1, cls_token_position='middle'
    )
    load_checkpoint(model, path)


def test_runner_refuses_other_scan_orders_with_published_weights(tmp_path):
    path = save_wrapped(tmp_path / 'a.pth', make_state(32, times=4))
    settings = dict(
        tubelet_size=1,
        scan_orders=[
            dict(type='SpatioTemporalForward'),
            dict(type='SpatialReversal'),
        ],
    )
    with pytest.raises(ValueError, match='adapted scan_orders'):
        load_checkpoint(recognizer(**settings), path)
    backbone(path, **settings).init_weights()


def test_runner_refuses_an_image_model_of_unknown_family(tmp_path):
    path = save_flat(tmp_path / 'a.pth', make_state(32))
    with pytest.raises(ValueError, match="family='vim'"):
        load_checkpoint(recognizer(), path)


def test_runner_refuses_another_head_and_missing_parts(tmp_path):
    path = save_recognizer(tmp_path / 'a.pth', recognizer(5))
    with pytest.raises(ValueError, match='the head .* num_classes .*init_cfg'):
        load_checkpoint(recognizer(6), path)
    torch.save(recognizer().backbone.state_dict(), path)
    with pytest.raises(ValueError, match=r'the head of .* \(none\)'):
        load_checkpoint(recognizer(), path)
    torch.save({'conv1.weight': torch.zeros(1)}, path)
    with pytest.raises(ValueError, match='nothing for the backbone'):
        load_checkpoint(recognizer(), path)
    state = recognizer().state_dict()
    del state['backbone.layers.1.norm.weight']
    torch.save(state, path)
    with pytest.raises(ValueError, match='layers.1.norm.weight is missing'):
        load_checkpoint(recognizer(), path)


def test_runner_resizes_positions_to_another_grid(tmp_path, log):
    trained = recognizer()
    path = save_recognizer(tmp_path / 'a.pth', trained)
    model = recognizer(num_frames=8)
    load_checkpoint(model, path)
    assert 'resized in time 2 -> 4' in log[0]
    table = model.backbone.pos_embed.table[0, 1:].view(4, 4, 32)
    first, second = trained.backbone.pos_embed.table[0, 1:].view(2, 4, 32)
    for row, part in zip(table, (0, 0.25, 0.75, 1)):
        torch.testing.assert_close(row, first + part * (second - first))
    # The saved file says what it has now.
    again = recognizer(num_frames=8)
    load_checkpoint(again, save_recognizer(tmp_path / 'b.pth', model))
    assert_untouched(again, snapshot(model))


def test_grid_of_as_many_tokens_is_not_mistaken(tmp_path):
    # 4 x 1x1 tokens and 1 x 2x2: the same number of rows.
    path = save_recognizer(
        tmp_path / 'a.pth', recognizer(img_size=16, num_frames=8)
    )
    model = recognizer(num_frames=2)
    load_checkpoint(model, path)
    table = model.backbone.pos_embed.table[0, 1:]
    torch.testing.assert_close(table, table[:1].expand(4, -1))


def test_table_that_does_not_say_its_grid(tmp_path):
    state = recognizer().state_dict()
    del state['backbone.pos_embed.table_grid']
    torch.save(state, tmp_path / 'a.pth')
    load_checkpoint(recognizer(), str(tmp_path / 'a.pth'))
    with pytest.raises(ValueError, match='does not record'):
        load_checkpoint(recognizer(num_frames=8), str(tmp_path / 'a.pth'))
