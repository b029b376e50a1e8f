"""A model folder: what is written, what is read, and what is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file, save_file
from small_models import small_recognizer
from tool_runner import assert_refused, run_tool

from mmvideomamba import get_model
from mmvideomamba.apis import init_model, recognize
from mmvideomamba.checkpoints import load_backbone
from mmvideomamba.finetuning import make_start, require_weights_fit
from mmvideomamba.hub import describe_model, from_pretrained, save_pretrained
from mmvideomamba.model_folder import check_description, weights_in
from mmvideomamba.model_folder.description import ORDERS
from mmvideomamba.models import VideoMamba, scan_orders
from mmvideomamba.models.videomamba import ARCHS
from mmvideomamba.registry import SCAN_ORDERS
from mmvideomamba.video import write_video

CONFIGS = Path(__file__).parents[1] / 'configs/recognition'
# What a name of a class could try where a config is written as Python.
CLASSES = ['walk', "'); import os; os.abort() #"]


def make_config(**backbone):
    pipeline = [
        dict(type='DecordInit', io_backend='disk'),
        dict(type='SampleFrames', clip_len=4, num_clips=2, test_mode=True),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(-1, 32)),
        dict(type='CenterCrop', crop_size=32),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]
    dataset = dict(
        type='CheckedVideoDataset',
        ann_file='/home/someone/list.txt',
        pipeline=pipeline,
        metainfo=dict(classes=CLASSES),
    )
    return Config(
        dict(
            default_scope='mmaction',
            model=small_recognizer(num_classes=2, **backbone),
            test_dataloader=dict(dataset=dataset),
        )
    )


@pytest.fixture
def model():
    return init_model(
        make_config(
            cls_token_position='middle', scan_backend='cpu', frozen_stages=1
        ),
        device='cpu',
    )


@pytest.fixture
def folder(model, tmp_path):
    save_pretrained(model, tmp_path / 'saved', license='apache-2.0')
    return tmp_path / 'saved'


@pytest.fixture
def video(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (9, 40, 48, 3))
    write_video(str(tmp_path / 'clip.mp4'), frames.astype(np.uint8))
    return str(tmp_path / 'clip.mp4')


def test_a_model_travels_with_all_that_its_answers_need(model, folder, video):
    assert sorted(os.listdir(folder)) == ['config.json', 'model.safetensors']
    again = from_pretrained(str(folder), device='cpu')
    assert not again.training
    assert again.backbone.cls_token_position == 'middle'
    assert recognize(again, video) == recognize(model, video)
    assert {name for name, _ in recognize(again, video)} == set(CLASSES)
    # And so on.
    save_pretrained(again, folder.parent / 'again', license='apache-2.0')
    first, second = (
        (path / 'config.json').read_text()
        for path in (folder, folder.parent / 'again')
    )
    assert first == second


def test_a_folder_stands_for_config_and_checkpoint(folder, video, capsys):
    run_tool('predict.py', folder, video)
    said = capsys.readouterr().out.splitlines()[-1]
    best, *_ = recognize(from_pretrained(str(folder), device='cpu'), video)
    percent, rest = said.split('%  ')
    assert float(percent) == pytest.approx(100 * best.score, abs=0.1)
    assert rest == f'{best.name}  {video}'


def test_a_folder_without_weights_is_refused(folder, video, capsys):
    (folder / 'model.safetensors').unlink()
    message = 'but no model.safetensors beside it'
    assert_refused(capsys, message, 'predict.py', folder, video)


def test_what_belongs_to_the_machine_or_the_training_stays_behind(folder):
    text = (folder / 'config.json').read_text()
    for word in ('someone', 'scan_backend', 'frozen_stages', 'io_backend'):
        assert word not in text
    said = json.loads(text)
    assert said['license'] == 'apache-2.0'
    # The defaults are written, as another version may have others.
    assert said['model']['backbone']['merge'] == 'sum'
    record = said['settings']['backbone']
    assert record['cls_token_position'] == 'middle'


def test_a_folder_is_a_checkpoint_and_a_name_too(model, folder, tmp_path):
    backbone = VideoMamba(
        arch=dict(embed_dims=16, num_layers=1), img_size=32, num_frames=4
    )
    load_backbone(backbone, str(folder))
    weight = model.backbone.norm.weight
    assert torch.equal(backbone.norm.weight, weight)
    other = get_model(str(folder), num_classes=7, device='cpu')
    assert other.cls_head.fc_cls.weight.shape == (7, 16)
    assert torch.equal(other.backbone.norm.weight, weight)
    # A config that was read can be written as Python, and read again.
    other.cfg.dump(str(tmp_path / 'dumped.py'))
    dumped = Config.fromfile(str(tmp_path / 'dumped.py'))
    assert dumped.test_dataloader.dataset.metainfo.classes == CLASSES


def test_a_training_starts_from_a_folder(tmp_path):
    model = init_model(make_config(arch='nano'), device='cpu')
    save_pretrained(model, tmp_path)
    start = make_start(None, str(tmp_path), None, None)
    assert start.weights == str(tmp_path / 'model.safetensors')
    assert start.backbone['arch'] == 'nano'
    assert start.backbone['num_frames'] == 4
    require_weights_fit(start)


def test_every_recipe_can_be_described():
    for path in sorted(CONFIGS.rglob('*.py')):
        config = Config.fromfile(str(path))
        check_description(describe_model(config, {}), str(path))


def test_what_models_are_made_of_can_be_described():
    own = {
        name
        for name, order in SCAN_ORDERS.module_dict.items()
        if order.__module__ == scan_orders.__name__
    }
    assert own == set(ORDERS)
    for arch in ARCHS:
        describe_model(make_config(arch=arch), {})


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(type='I3DHead'), "type: expected one of 'VideoMambaHead', got"),
        (dict(average_clips='max'), 'average_clips: expected one of'),
        (dict(own=3), 'cls_head: expected no other names than num_classes'),
    ],
)
def test_a_model_that_does_not_travel_is_refused(change, message):
    config = make_config()
    config.model.cls_head.update(change)
    with pytest.raises(ValueError, match=message):
        describe_model(config, {})


def test_a_model_without_a_config_is_refused(tmp_path):
    with pytest.raises(ValueError, match='a model with its config in `cfg`'):
        save_pretrained(torch.nn.Linear(1, 1), tmp_path)


def test_nothing_is_overwritten(model, folder):
    with pytest.raises(FileExistsError, match='it is not overwritten'):
        save_pretrained(model, folder)


def place(content, *path):
    for name in path:
        content = content[name]
    return content


BACKBONE = ('model', 'backbone')
HEAD = ('model', 'cls_head')


@pytest.mark.parametrize(
    'path, value, message',
    [
        (('format',), 'mmvideomamba 2', "format: expected one of 'mmvid"),
        (('custom_imports',), dict(imports=['os']), 'no other names than for'),
        (('_base_',), '/etc/passwd', "no other names than .*, got '_base_'"),
        (('classes',), ['a'], r'classes: expected 2 names, .*, got 1'),
        (('classes',), ['a', 'b\x1b[2J'], r'classes\[1\]: expected a line of'),
        (('classes',), '/etc/passwd', 'classes: expected a list of 1 to'),
        (('license',), 3, 'license: expected a line of text'),
        (('model', 'type'), 'os.system', 'model.type: expected one of'),
        (('model', 'train_cfg'), {}, "other names than .*, got 'train_cfg'"),
        ((*BACKBONE, 'type'), 'torch.hub.load', 'backbone.type: expected one'),
        ((*BACKBONE, 'type'), ['VideoMamba'], 'backbone.type: expected one'),
        ((*BACKBONE, 'init_cfg'), dict(), "other names than .*, got 'init_c"),
        ((*BACKBONE, 'arch'), 'huge', "arch: expected one of 'nano', 'tiny'"),
        ((*BACKBONE, 'arch', 'expand'), 1e9, 'arch.expand: expected a whole'),
        ((*BACKBONE, 'img_size'), True, 'img_size: expected a whole number'),
        ((*BACKBONE, 'img_size'), [32], 'img_size: expected a list of 2 val'),
        ((*BACKBONE, 'num_frames'), 10**9, 'num_frames: expected a whole num'),
        ((*BACKBONE, 'num_frames'), 1, 'clips of 1 to 65536 tokens, got 0'),
        ((*BACKBONE, 'patch_size'), 1, r'tubelet in .*\[3, 2, 16, 16\] of'),
        ((*BACKBONE, 'scan_orders'), [], 'scan_orders: expected a list of 1'),
        (
            (*BACKBONE, 'scan_orders', 0, 'type'),
            'builtins.exec',
            r'scan_orders\[0\].type: expected one of',
        ),
        (
            (*BACKBONE, 'norm_cfg', 'eps'),
            float('nan'),
            'norm_cfg.eps: expected a number from 0 to 1, got nan',
        ),
        ((*BACKBONE, 'arch', 'embed_dims'), 32, r'arch in .* \[16, 1\] of'),
        ((*HEAD, 'num_classes'), 0, 'num_classes: expected a whole number'),
        ((*HEAD, 'init_cfg'), dict(), "other names than .*, got 'init_cfg'"),
        ((*HEAD, 'multi_class'), 1, 'multi_class: expected true or false'),
        (('test_pipeline',), [], 'test_pipeline: expected a list of 1 to 64'),
        (
            ('test_pipeline', 0),
            dict(type='LoadHVULabel'),
            r"test_pipeline\[0\].type: expected one of 'DecordInit'",
        ),
        (
            ('test_pipeline', 0, 'io_backend'),
            'petrel',
            r'test_pipeline\[0\]: expected no other names than num_threads',
        ),
        (('test_pipeline', 0), 'DecordInit', r"expected {'type': ..., ...}"),
        (
            ('test_pipeline', 1, 'clip_len'),
            512.5,
            'clip_len: expected a whole number from 1 to 512',
        ),
        (
            ('test_pipeline', 3, 'scale'),
            [0, 32],
            r'scale\[0\]: expected -1 or',
        ),
        (
            ('settings', 'backbone', 'merge'),
            'mean',
            'is of another model than model.safetensors beside it',
        ),
        (('settings', 'backbone'), [1], 'settings.backbone: expected at most'),
    ],
)
def test_a_description_is_data_in_its_range(folder, path, value, message):
    config = folder / 'config.json'
    said = json.loads(config.read_text())
    place(said, *path[:-1])[path[-1]] = value
    config.write_text(json.dumps(said))
    with pytest.raises(ValueError, match=message) as error_info:
        from_pretrained(str(folder))
    assert '\n' not in str(error_info.value)


def test_too_many_frames_are_refused(folder):
    said = json.loads((folder / 'config.json').read_text())
    said['test_pipeline'][1].update(clip_len=512, num_clips=64)
    with pytest.raises(ValueError, match='at most 4096 frames .*, got 32768'):
        check_description(said, 'it')


@pytest.mark.parametrize('needed', ['clip_len', 'type'])
def test_what_a_step_needs_is_named(folder, needed):
    said = json.loads((folder / 'config.json').read_text())
    said['test_pipeline'][1].pop(needed)
    with pytest.raises(ValueError, match=rf'\[1\].*{needed}|{needed}'):
        check_description(said, 'it')


@pytest.mark.parametrize('content', [b'', b'{', b'[' * 10**5, b'\xff', b'[]'])
def test_what_is_no_description_is_refused(folder, content):
    (folder / 'config.json').write_bytes(content)
    with pytest.raises(ValueError, match='config.json: expected '):
        from_pretrained(str(folder))


def test_a_description_without_end_is_not_read(folder):
    with open(folder / 'config.json', 'r+b') as file:
        file.truncate(2**25 + 1)
    with pytest.raises(ValueError, match='expected at most 33554432 bytes'):
        from_pretrained(str(folder))


def test_weights_of_another_model_are_refused(folder):
    weights = folder / 'model.safetensors'
    tensors = load_file(weights)
    head = tensors['cls_head.fc_cls.weight']
    save_file({**tensors, 'cls_head.fc_cls.weight': head[:1]}, weights)
    with pytest.raises(ValueError, match=r'head in .* \[1, 16\] of the weig'):
        from_pretrained(str(folder))
    save_file({'weight': head}, weights)
    with pytest.raises(ValueError, match='no backbone.tokenizer.proj.weight'):
        from_pretrained(str(folder))
    weights.write_bytes(b'nothing of this kind')
    with pytest.raises(ValueError, match='damaged or incomplete'):
        from_pretrained(str(folder))


def test_one_file_of_weights_may_have_any_name(folder):
    weights = folder / 'model.safetensors'
    other = weights.rename(folder / 'mine-0123abcd.safetensors')
    assert weights_in(str(folder)) == str(other)
    get_model(str(folder), device='cpu')
    (folder / 'another.safetensors').touch()
    with pytest.raises(ValueError, match='expected one .safetensors beside'):
        get_model(str(folder))
    for path in folder.glob('*.safetensors'):
        path.unlink()
    with pytest.raises(FileNotFoundError, match='no model.safetensors'):
        get_model(str(folder))
