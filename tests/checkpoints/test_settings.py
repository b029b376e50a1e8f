"""What no weight shows is recorded, compared, and named with both values."""

import pytest
import torch
from mmengine.runner import Runner, load_checkpoint
from small_models import small_recognizer
from test_loading import (
    assert_untouched,
    backbone,
    log,
    recognizer,
    save_recognizer,
    snapshot,
)
from test_runner import make_config, root, same

from mmvideomamba.checkpoints import encode_weights, load_backbone
from mmvideomamba.models import ScanOrder, VideoMamba
from mmvideomamba.registry import MODELS

__all__ = ['log', 'root']  # fixtures


class EveryNth(ScanOrder):
    """Tokens 0, step, 2 step, ..., then 1, 1 + step, ..."""

    def __init__(self, step):
        self.step = step

    def arrange(self, tokens):
        flat = tokens.flatten()
        return torch.cat([flat[i :: self.step] for i in range(self.step)])


def another_order(flip):
    """A class of the same name in each version of a user's code."""

    class Mine(ScanOrder):
        def arrange(self, tokens):
            return tokens.flip(2) if flip else tokens

    return [Mine(), Mine()]


FORWARD = dict(type='SpatioTemporalForward')
EPS = dict(type='RMSNorm', eps=1e-3)
# Settings of the checkpoint, of the model, and both values as they are named.
DIFFERENCES = {
    'merge': (dict(merge='mean'), {}, 'mean -> sum'),
    'class token': (dict(cls_token_position='middle'), {}, 'middle -> head'),
    'scan orders': (
        {},
        dict(scan_orders=[FORWARD, dict(type='SpatialReversal')]),
        'SpatioTemporalForward, SpatioTemporalReversal -> '
        'SpatioTemporalForward, SpatialReversal',
    ),
    'order of the directions': (
        dict(scan_orders=[FORWARD, dict(type='ZigzagReversal')]),
        dict(scan_orders=[dict(type='ZigzagReversal'), FORWARD]),
        'Forward, ZigzagReversal -> ZigzagReversal, SpatioTemporalForward',
    ),
    'arguments of a scan order': (
        dict(scan_orders=[FORWARD, EveryNth(2)]),
        dict(scan_orders=[FORWARD, EveryNth(4)]),
        'EveryNth(step=2) -> SpatioTemporalForward, EveryNth(step=4)',
    ),
    'code of a scan order': (
        dict(scan_orders=another_order(True)),
        dict(scan_orders=another_order(False)),
        'visit the tokens otherwise',
    ),
    'frames of sinusoids': (
        dict(pos_embed='sinusoid', num_frames=8),
        dict(pos_embed='sinusoid'),
        'sinusoid of 4x2x2 tokens -> sinusoid of 2x2x2 tokens',
    ),
    'size of sinusoids': (
        dict(pos_embed='sinusoid'),
        dict(pos_embed='sinusoid', img_size=48),
        'sinusoid of 2x2x2 tokens -> sinusoid of 2x3x3 tokens',
    ),
    'no positions': (
        dict(pos_embed=None),
        dict(pos_embed='sinusoid'),
        'None -> sinusoid of 2x2x2 tokens',
    ),
    'eps': ({}, dict(norm_cfg=EPS), 'RMSNorm, eps=1e-05 -> RMSNorm, eps=0.00'),
    'out_type': ({}, dict(out_type='raw'), 'cls_token -> raw'),
}


@pytest.fixture(params=DIFFERENCES)
def difference(request):
    return DIFFERENCES[request.param]


def test_load_from_refuses_another_setting(tmp_path, difference):
    theirs, ours, values = difference
    trained = recognizer(**theirs)
    path = save_recognizer(tmp_path / 'a.pth', trained)
    model = recognizer(**ours)
    before = snapshot(model)
    with pytest.raises(ValueError, match='is of another model') as error:
        load_checkpoint(model, path)
    message = str(error.value)
    assert values in message and message.count('adapted') == 1
    assert_untouched(model, before)
    # The same settings, and tensors that no record came with.
    for settings, state in (
        (theirs, trained.state_dict()),
        (ours, dict(trained.state_dict())),
    ):
        if settings is ours and 'cls_token_position' in theirs:
            continue
        torch.save(state, tmp_path / 'b.pth')
        model = recognizer(**settings)
        load_checkpoint(model, str(tmp_path / 'b.pth'))
        assert_untouched(model, snapshot(trained))


def test_init_cfg_names_another_setting_in_one_line(tmp_path, log, difference):
    theirs, ours, values = difference
    path = str(tmp_path / 'a.pth')
    torch.save(backbone(**theirs).state_dict(), path)
    load_backbone(backbone(**ours), path)
    lines = [line for line in log[0].splitlines() if 'adapted' in line]
    assert len(lines) == 1 or 'pos_embed' not in ours, lines
    assert sum(values in line for line in lines) == 1, lines


def test_init_cfg_folds_another_merge(tmp_path):
    source = backbone(merge='mean').eval()
    torch.save(source.state_dict(), tmp_path / 'a.pth')
    model = backbone(tmp_path / 'a.pth').eval()
    model.init_weights()
    clip = torch.randn(1, 3, 4, 32, 32)
    torch.testing.assert_close(model(clip), source(clip))
    # One direction is its own sum and mean.
    one = dict(scan_orders=[FORWARD])
    source = recognizer(merge='mean', **one)
    path = save_recognizer(tmp_path / 'b.pth', source)
    model = recognizer(**one)
    load_checkpoint(model, path)
    assert_untouched(model, snapshot(source))


def test_what_computes_the_same_is_not_refused(tmp_path):
    path = save_recognizer(
        tmp_path / 'a.pth', recognizer(cls_token_position=None)
    )
    load_checkpoint(
        recognizer(
            cls_token_position=None,
            out_type='avg_featmap',
            drop_path_rate=0.5,
            frozen_stages=1,
            with_cp=True,
            pos_embed_init='random',
        ),
        path,
    )


def test_a_file_without_the_record_loads_as_it_is(tmp_path):
    trained = recognizer(merge='mean', cls_token_position='middle')
    state = {
        name: tensor.clone() for name, tensor in trained.state_dict().items()
    }
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    model = recognizer()
    load_checkpoint(model, str(tmp_path / 'a.pth'))
    assert_untouched(model, state)
    alone = backbone(tmp_path / 'a.pth')
    alone.init_weights()
    assert_untouched(alone, snapshot(trained.backbone))


def test_the_record_is_no_tensor():
    state = recognizer().state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    assert not [name for name in state if 'setting' in name]
    # A caller's own dict has no place for it.
    VideoMamba(dict(embed_dims=16, num_layers=1)).state_dict(destination={})


@pytest.mark.parametrize('container', [None, 'model', 'module'])
def test_wrapped_and_bare_files_keep_the_record(tmp_path, container):
    model = backbone(merge='mean')
    wrapper = torch.nn.Module()
    wrapper.module = model
    state = (wrapper if container == 'module' else model).state_dict()
    torch.save({container: state} if container else state, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='mean -> sum'):
        load_checkpoint(recognizer(), str(tmp_path / 'a.pth'))


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_a_head_of_several_labels_is_another(tmp_path, suffix):
    def build(multi_class):
        config = small_recognizer()
        config['cls_head']['multi_class'] = multi_class
        return MODELS.build(config)

    path = tmp_path / f'a.{suffix}'
    trained = build(True).state_dict()
    path.write_bytes(encode_weights(trained, {}, str(path)))
    load_checkpoint(build(True), str(path))
    with pytest.raises(ValueError, match='multi_class=True, .*multi_class=Fa'):
        load_checkpoint(build(False), str(path))
    # Tensors without the record.
    torch.save(dict(trained), tmp_path / 'bare.pth')
    load_checkpoint(build(False), str(tmp_path / 'bare.pth'))


@pytest.mark.parametrize('settings', [3, ['merge'], {'merge': 1}, {1: 'a'}])
def test_a_damaged_record_is_refused(tmp_path, settings):
    state = recognizer().state_dict()
    state._metadata['backbone']['settings'] = settings
    torch.save(state, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='damaged.* record of its settings'):
        load_checkpoint(recognizer(), str(tmp_path / 'a.pth'))
    with pytest.raises(ValueError, match='damaged.* record of its settings'):
        load_backbone(backbone(), str(tmp_path / 'a.pth'))
    state._metadata['backbone']['settings'] = dict(merge='max')
    torch.save(state, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match="merge of .* 'max', expected one of"):
        load_checkpoint(recognizer(), str(tmp_path / 'a.pth'))


def test_the_runner_records_and_compares(root, tmp_path):
    """Weights and their average; load_from and --resume."""
    average = dict(custom_hooks=[dict(type='EMAHook')])
    config = make_config(root, tmp_path / 'first', **average)
    runner = Runner.from_cfg(config)
    runner.train()
    start = dict(load_from=str(tmp_path / 'first' / 'epoch_1.pth'))
    start['resume'] = True
    config = make_config(root, tmp_path / 'again', **start, **average)
    again = Runner.from_cfg(config)
    again.train()  # nothing is left to train
    assert same(again.model, runner.model)
    for resume in (False, True):
        start['resume'] = resume
        config = make_config(root, tmp_path / f'another{resume}', **start)
        config['model']['backbone']['merge'] = 'mean'
        with pytest.raises(ValueError, match='sum -> mean'):
            Runner.from_cfg(config).load_or_resume()
