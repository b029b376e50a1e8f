"""Starting a model from one of other classes, frames, size or tubelets."""

import pytest
import torch
import torch.nn.functional as F
from small_checkpoints import make_state, save_flat, save_vim

from mmvideomamba.checkpoints import load_backbone
from mmvideomamba.models import VideoMamba
from mmvideomamba.registry import MODELS

ARCH = dict(embed_dims=32, num_layers=1)


def backbone(img_size=32, num_frames=16, **settings):
    return VideoMamba(ARCH, img_size, num_frames=num_frames, **settings)


def load(model, path, **options):
    load_backbone(model, str(path), **options)
    return {k: v.detach() for k, v in model.named_parameters()}


@pytest.fixture
def trained(tmp_path):
    """(path, model): a recognizer of 16 frames and 10 classes."""
    model = recognizer(num_classes=10)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'epoch_30.pth')
    return str(tmp_path / 'epoch_30.pth'), model


def recognizer(num_classes, **settings):
    checkpoint = settings.pop('checkpoint', None)
    init_cfg = checkpoint and dict(type='Pretrained', checkpoint=checkpoint)
    return MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=dict(
                dict(
                    type='VideoMamba',
                    arch=ARCH,
                    img_size=32,
                    num_frames=16,
                    init_cfg=init_cfg,
                ),
                **settings,
            ),
            cls_head=dict(
                type='VideoMambaHead',
                num_classes=num_classes,
                in_channels=32,
                init_cfg=init_cfg,
            ),
        )
    )


def test_more_frames_and_other_classes(trained):
    path, source = trained
    model = recognizer(6, num_frames=32, checkpoint=path)
    head = model.cls_head.fc_cls.weight.clone()
    model.init_weights()
    assert torch.equal(model.cls_head.fc_cls.weight, head)
    old, new = source.backbone.pos_embed, model.backbone.pos_embed
    assert torch.equal(new.table[:, 0], old.table[:, 0])
    times = old.table[0, 1:].view(8, 4, 32)
    # Twice as many times: new time t lies at t / 2 - 1 / 4 of the old ones.
    for t, row in enumerate(new.table[0, 1:].view(16, 4, 32)):
        time = min(max(t / 2 - 0.25, 0), 7)
        low, part = int(time), time % 1
        high = min(low + 1, 7)
        expected = times[low] * (1 - part) + times[high] * part
        torch.testing.assert_close(row, expected)


def test_as_many_classes_keep_the_head(trained):
    path, source = trained
    model = recognizer(10, checkpoint=path)
    model.init_weights()
    assert torch.equal(
        model.cls_head.fc_cls.weight, source.cls_head.fc_cls.weight
    )


def test_another_image_size(trained):
    path, source = trained
    new = load(backbone(img_size=64), path)['pos_embed.table']
    old = source.backbone.pos_embed.table.detach()
    assert torch.equal(new[:, 0], old[:, 0])
    expected = F.interpolate(
        old[0, 1:].view(8, 2, 2, 32).permute(0, 3, 1, 2),
        size=(4, 4),
        mode='bicubic',
    )
    actual = new[0, 1:].view(8, 4, 4, 32).permute(0, 3, 1, 2)
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize('tubelet', [1, 3, 4])
def test_another_tubelet_sees_a_still_clip_alike(trained, tubelet):
    path, source = trained
    model = backbone(num_frames=8 * tubelet, tubelet_size=tubelet)
    load(model, path)
    still = torch.randn(1, 3, 1, 32, 32)
    with torch.no_grad():
        old = source.backbone(still.expand(-1, -1, 16, -1, -1))
        new = model.eval()(still.expand(-1, -1, 8 * tubelet, -1, -1))
    torch.testing.assert_close(new, old, rtol=1e-4, atol=1e-5)


IMAGE = make_state(32, layers=1)
CLS = IMAGE['pos_embed'][:, 2:3]  # Vim's lies in the middle of 4 patches
PATCHES = torch.cat([IMAGE['pos_embed'][:, :2], IMAGE['pos_embed'][:, 3:]], 1)


def expected_patches(how):
    """(T=2, S=4, C=32) from the paper's section 4.2, number by number."""
    if how == 'expand':
        return PATCHES.repeat(2, 1, 1)
    # Stretching to twice the length: 3/4 of the near and 1/4 of the far.
    if how == 'interpolate_spatial':
        rows = [PATCHES[0, max(0, min(i, 3))] for i in range(-1, 5)]
        stretched = []
        for i in range(1, 5):
            stretched += [
                0.75 * rows[i] + 0.25 * rows[i - 1],
                0.75 * rows[i] + 0.25 * rows[i + 1],
            ]
        return torch.stack(stretched).view(2, 4, 32)
    padded = F.pad(PATCHES, (1, 1), mode='replicate')
    near, left, right = padded[..., 1:-1], padded[..., :-2], padded[..., 2:]
    stretched = torch.stack(
        [0.75 * near + 0.25 * left, 0.75 * near + 0.25 * right], dim=-1
    )
    return stretched.flatten(-2).view(4, 2, 32).transpose(0, 1)


@pytest.mark.parametrize(
    'how', ['expand', 'interpolate_spatial', 'interpolate_dim']
)
def test_image_positions_in_one_table(tmp_path, how):
    path = save_vim(tmp_path / 'a.pth', IMAGE)
    model = backbone(num_frames=4, pos_embed_init=how)
    table = load(model, path)['pos_embed.table']
    assert torch.equal(table[:, :1], CLS)
    torch.testing.assert_close(
        table[0, 1:].view(2, 4, 32), expected_patches(how)
    )


@pytest.mark.parametrize(
    'how', ['expand', 'interpolate_spatial', 'interpolate_dim']
)
def test_image_positions_in_two_parts(tmp_path, how):
    path = save_vim(tmp_path / 'a.pth', IMAGE)
    model = backbone(num_frames=4, pos_embed='factorized', pos_embed_init=how)
    params = load(model, path)
    assert torch.equal(params['pos_embed.spatial'][:, :1], CLS)
    spatial = params['pos_embed.spatial'][0, 1:]
    temporal = params['pos_embed.temporal'][0]
    rest = expected_patches(how) - spatial - temporal[:, None]
    # What a spatial and a temporal part cannot hold: nothing but what has
    # mean zero over either.
    torch.testing.assert_close(rest.mean(0), torch.zeros(4, 32))
    torch.testing.assert_close(rest.mean(1), torch.zeros(2, 32))
    if how == 'expand':
        assert torch.equal(spatial, PATCHES[0])
        assert not temporal.any()


@pytest.mark.parametrize('pos_embed', ['learnable', 'factorized'])
def test_random_positions_stay_as_initialised(tmp_path, pos_embed):
    path = save_vim(tmp_path / 'a.pth', IMAGE)
    model = backbone(pos_embed=pos_embed, pos_embed_init='random')
    before = {k: v.clone() for k, v in model.pos_embed.state_dict().items()}
    load(model, path)
    after = model.pos_embed.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize('pos_embed', [None, 'sinusoid'])
def test_models_without_learnable_positions_take_none(tmp_path, pos_embed):
    path = save_vim(tmp_path / 'a.pth', IMAGE)
    params = load(backbone(pos_embed=pos_embed), path)
    assert torch.equal(params['cls_token'], IMAGE['cls_token'])


def test_models_without_class_token_take_none(tmp_path):
    path = save_vim(tmp_path / 'a.pth', IMAGE)
    table = load(backbone(cls_token_position=None), path)['pos_embed.table']
    assert torch.equal(table, PATCHES.repeat(1, 8, 1))
    # And back: the class token and its row stay as initialised.
    torch.save(
        backbone(cls_token_position=None).state_dict(), tmp_path / 'b.pth'
    )
    model = backbone()
    token = model.cls_token.clone()
    row = model.pos_embed.table[:, 0].clone()
    params = load(model, tmp_path / 'b.pth')
    assert torch.equal(params['cls_token'], token)
    assert torch.equal(params['pos_embed.table'][:, 0], row)


def test_own_positions_change_their_kind(tmp_path):
    source = backbone(pos_embed='factorized')
    torch.nn.init.normal_(source.pos_embed.temporal)
    torch.save(source.state_dict(), tmp_path / 'a.pth')
    wide = backbone()
    load(wide, tmp_path / 'a.pth')
    torch.testing.assert_close(
        wide.pos_embed((8, 2, 2)), source.pos_embed((8, 2, 2))
    )
    # A table that is such a sum comes back as it.
    torch.save(wide.state_dict(), tmp_path / 'b.pth')
    again = backbone(pos_embed='factorized')
    load(again, tmp_path / 'b.pth')
    torch.testing.assert_close(
        again.pos_embed((8, 2, 2)), source.pos_embed((8, 2, 2))
    )


def test_video_positions_at_another_time_and_size(tmp_path):
    state = make_state(32, layers=1, times=4)
    path = save_flat(tmp_path / 'a.pth', state)
    params = load(
        backbone(48, num_frames=2, tubelet_size=1, pos_embed='factorized'),
        path,
    )
    old = state['temporal_pos_embedding'][0]
    torch.testing.assert_close(
        params['pos_embed.temporal'][0],
        torch.stack([(old[0] + old[1]) / 2, (old[2] + old[3]) / 2]),
    )
    assert params['pos_embed.spatial'].shape == (1, 10, 32)
    assert torch.equal(
        params['pos_embed.spatial'][:, 0], state['pos_embed'][:, 0]
    )


def test_positions_of_no_square_are_refused(tmp_path):
    state = make_state(32, layers=1, times=2, num_patches=6)
    path = save_flat(tmp_path / 'a.pth', state)
    with pytest.raises(
        ValueError, match='6 patches of a frame, expected a square'
    ):
        load(backbone(), path)
    assert load(backbone((32, 48)), path)
