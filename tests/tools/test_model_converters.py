"""convert.py and publish_model.py, from the command line."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from mmengine.runner import load_checkpoint
from safetensors import safe_open
from small_checkpoints import make_state, save_flat, save_vim
from small_models import small_recognizer
from tool_runner import assert_refused, run_tool

from mmvideomamba import get_model
from mmvideomamba.registry import MODELS

CONVERT = 'model_converters/convert.py'
PUBLISH = 'model_converters/publish_model.py'


def model_cfg(**settings):
    return small_recognizer(5, embed_dims=32, num_layers=2, **settings)


PIPELINE = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=4, num_clips=1, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False, lazy=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]


@pytest.fixture
def config(tmp_path):
    def write(**settings):
        path = tmp_path / 'config.py'
        loader = dict(
            dataset=dict(pipeline=PIPELINE, metainfo=dict(classes=[*'abcde']))
        )
        path.write_text(
            f"default_scope = 'mmaction'\nmodel = {model_cfg(**settings)!r}\n"
            f'test_dataloader = {loader!r}\n'
        )
        return path

    return write


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize('merge', ['sum', 'mean'])
def test_convert_vim(tmp_path, capsys, config, suffix, merge):
    source = save_vim(tmp_path / 'a.pth', make_state(32))
    out = tmp_path / f'new/b{suffix}'
    run_tool(CONVERT, config(merge=merge), source, out)
    said = capsys.readouterr().out
    assert '  adapted    pos_embed | image 1x2x2, 32 channels -> 2x2x2' in said
    error = re.search(r"authors' formulae.*largest error (\S+) of", said)
    assert float(error[1]) < 1e-5
    assert f'Checked: {out}, loaded as tools/test.py loads it' in said

    # What init_cfg would make of the original.
    init_cfg = dict(type='Pretrained', checkpoint=source)
    cfg = model_cfg(merge=merge, init_cfg=init_cfg)
    cfg['cls_head']['init_cfg'] = init_cfg
    expected = MODELS.build(cfg)
    converted = MODELS.build(model_cfg(merge=merge))
    expected.init_weights()
    load_checkpoint(converted, str(out))
    expected, converted = expected.state_dict(), converted.state_dict()
    assert expected.keys() == converted.keys()
    assert all(torch.equal(expected[k], converted[k]) for k in expected)


def test_convert_video(tmp_path, capsys, config):
    source = save_flat(tmp_path / 'a.pth', make_state(32, times=3, classes=7))
    run_tool(CONVERT, config(), source, tmp_path / 'b.pth')
    said = capsys.readouterr().out
    assert 'random clip of two frames' in said
    assert (
        'The head is new: the checkpoint has 7 classes, the config 5' in said
    )
    # And ours for another model.
    run_tool(
        CONVERT,
        config(num_frames=8),
        tmp_path / 'b.pth',
        tmp_path / 'c.safetensors',
    )
    assert 'resized in time 2 -> 4' in capsys.readouterr().out


def test_convert_says_in_one_line_what_is_wrong(tmp_path, capsys, config):
    source = save_flat(tmp_path / 'a.pth', make_state(32))
    out = tmp_path / 'b.pth'
    cases = [
        (('no.py', source, out), 'no such file: no.py'),
        ((config(), tmp_path / 'no.pth', out), 'there is no checkpoint'),
        ((config(), source, tmp_path / 'b.bin'), 'is a .pth or .safetensors'),
        ((config(), source, source), 'it is not overwritten'),
        ((config(), source, out), "family='vim'"),
        ((config(), source, out, '--family', 'x'), "unknown family 'x'"),
        ((config(arch='tiny'), source, out, '--family', 'vim'), '192 x 24'),
    ]
    for arguments, message in cases:
        assert_refused(capsys, message, CONVERT, *arguments)
    assert not out.exists()


def test_convert_writes_nothing_if_the_check_fails(
    tmp_path, capsys, config, monkeypatch
):
    source = save_flat(tmp_path / 'a.pth', make_state(32))
    monkeypatch.setattr(
        'mmvideomamba.checkpoints.upstream_forward.image_features',
        lambda *_: torch.ones(32),
    )
    assert_refused(
        capsys,
        'the check failed, nothing is to be used',
        CONVERT,
        *(config(), source, tmp_path / 'b.pth', '--family', 'vim'),
    )
    assert not (tmp_path / 'b.pth').exists()


@pytest.fixture
def trained(tmp_path):
    model = MODELS.build(model_cfg())
    torch.save(
        dict(
            state_dict=model.state_dict(),
            optimizer=dict(state={}, param_groups=[]),
            meta=dict(
                cfg='/home/someone', epoch=3, dataset_meta=dict(classes=['a'])
            ),
        ),
        tmp_path / 'epoch_3.pth',
    )
    return tmp_path / 'epoch_3.pth', model


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_publish(tmp_path, capsys, config, trained, suffix):
    source, model = trained
    config()
    run_tool(PUBLISH, source, tmp_path / f'new/small{suffix}')
    path = Path(capsys.readouterr().out.splitlines()[-1])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    assert path == tmp_path / f'new/small-{digest}{suffix}'
    if suffix == '.pth':
        content = torch.load(path)
        assert set(content) == {'state_dict', 'meta'}
        assert content['meta'] == dict(
            epoch=3, dataset_meta=dict(classes=['a'])
        )
    else:
        with safe_open(path, 'pt') as file:
            meta = json.loads(file.metadata()['meta'])
        assert meta == dict(epoch=3, dataset_meta=dict(classes=['a']))
    assert (path.parent / 'config.json').exists() == (suffix != '.pth')
    again = MODELS.build(model_cfg())
    load_checkpoint(again, str(path))
    published, expected = again.state_dict(), model.state_dict()
    assert all(torch.equal(published[k], expected[k]) for k in expected)
    # The same weights again: the same name, and nothing overwritten.
    assert_refused(
        capsys,
        'exists; it is not overwritten',
        *(PUBLISH, source, tmp_path / f'new/small{suffix}'),
    )


def test_publish_a_folder(tmp_path, capsys, config, trained):
    source, model = trained
    other = tmp_path / 'elsewhere'
    other.mkdir()
    options = '--config', config().rename(other / 'mine.py')
    options += '--license', 'cc-by-4.0'
    run_tool(PUBLISH, source, tmp_path / 'published', *options)
    said = json.loads((tmp_path / 'published/config.json').read_text())
    assert said['license'] == 'cc-by-4.0'
    assert said['classes'] == [*'abcde']
    assert said['test_pipeline'][3] == dict(
        type='Resize', scale=[32, 32], keep_ratio=False
    )
    assert str(tmp_path) not in json.dumps(said)
    again = get_model(str(tmp_path / 'published')).state_dict()
    expected = model.state_dict()
    assert all(torch.equal(again[k].cpu(), expected[k]) for k in expected)


def test_publish_says_in_one_line_what_is_wrong(
    tmp_path, capsys, config, trained
):
    vim = save_vim(tmp_path / 'a.pth', make_state(32))
    out, folder = tmp_path / 'b.pth', tmp_path / 'folder'
    small = config(arch='nano').rename(tmp_path / 'small.txt')
    small = small.rename(tmp_path / 'elsewhere.py')
    cases = [
        ((vim, out), 'convert.py'),
        ((tmp_path / 'no.pth', out), 'there is no checkpoint'),
        ((vim, tmp_path / 'b.bin'), 'is a folder, or a .pth or .safetensors'),
        ((trained[0], folder), '32 channels x 2 blocks, the model 96 x'),
    ]
    for arguments, message in cases:
        assert_refused(capsys, message, PUBLISH, *arguments)
    small.unlink()
    message = 'got []: give --config CONFIG.py'
    assert_refused(capsys, message, PUBLISH, trained[0], folder)
    assert not out.exists() and not folder.exists()


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_settings_that_no_weight_shows_are_recorded(
    tmp_path, capsys, config, trained, suffix
):
    converted = tmp_path / f'b{suffix}'
    run_tool(CONVERT, config(merge='mean'), trained[0], converted)
    assert 'multiplied by 2: sum -> mean' in capsys.readouterr().out
    run_tool(PUBLISH, converted, tmp_path / f'c{suffix}')
    published = capsys.readouterr().out.splitlines()[-1]
    for path in (str(converted), published):
        load_checkpoint(MODELS.build(model_cfg(merge='mean')), path)
        with pytest.raises(ValueError, match='mean -> sum'):
            load_checkpoint(MODELS.build(model_cfg()), path)
    if suffix == '.safetensors':
        with safe_open(published, 'pt') as file:
            settings = json.loads(file.metadata()['settings'])['backbone']
            assert set(file.keys()) == set(trained[1].state_dict())
        assert settings['merge'] == 'mean'
