"""Every tool takes the test set of the config: its pipeline, in any wrapper.

The config names another pipeline, `test_pipeline`, which cannot run; what
tools/test.py runs, and what is compared with here, is the data set's.
"""

import json
import pickle

import numpy as np
import pytest
import torch
from mmaction.apis import inference_recognizer, init_recognizer
from mmengine.config import Config
from tool_runner import assert_refused, run_tool

from mmvideomamba.apis import init_model, read_clip, recognize
from mmvideomamba.datasets.pipelines import find_dataset
from mmvideomamba.hub import save_pretrained
from mmvideomamba.video import write_video

PIPELINE = [
    dict(type='DecordInit'),
    dict(
        type='SampleFrames',
        clip_len=4,
        frame_interval=2,
        num_clips=2,
        test_mode=True,
    ),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('test_sets')
    rng = np.random.default_rng(0)
    for number in range(2):
        frames = rng.integers(0, 255, (12, 80, 96, 3), dtype=np.uint8)
        write_video(str(folder / f'{number}.mp4'), frames)
        (folder / f'{number}.txt').write_text(f'{number}.mp4 {number}\n')
    (folder / 'both.txt').write_text('0.mp4 0\n1.mp4 1\n')
    (folder / 'names.txt').write_text('\ufeffbег\nšаг\n', encoding='utf-8')
    plain = leaf(folder, 'both')
    repeated = dict(type='RepeatDataset', times=1, dataset=leaf(folder, 0))
    both = dict(type='ConcatDataset', datasets=[repeated, leaf(folder, 1)])
    wrapped = dict(type='RepeatDataset', times=1, dataset=both)
    for name, dataset in (('plain', plain), ('wrapped', wrapped)):
        write_config(folder / f'{name}.py', dataset)
    torch.manual_seed(0)
    model = init_recognizer(folder / 'plain.py', device='cpu')
    # A head that tells two views apart.
    model.cls_head.fc_cls.weight.data.mul_(300)
    torch.save(model.state_dict(), folder / 'weights.pth')
    return folder


def leaf(folder, name):
    return dict(
        type='CheckedVideoDataset',
        ann_file=str(folder / f'{name}.txt'),
        data_prefix=dict(video=str(folder)),
        metainfo=dict(classes=str(folder / 'names.txt')),
        pipeline=PIPELINE,
        test_mode=True,
    )


def write_config(path, dataset):
    loader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dataset,
    )
    Config(
        dict(
            default_scope='mmaction',
            custom_imports=dict(imports=['mmvideomamba']),
            model=dict(
                type='Recognizer3D',
                backbone=dict(
                    type='VideoMamba',
                    arch=dict(embed_dims=16, num_layers=1),
                    img_size=64,
                    num_frames=4,
                ),
                cls_head=dict(
                    type='VideoMambaHead',
                    num_classes=2,
                    in_channels=16,
                    average_clips='prob',
                ),
                data_preprocessor=dict(
                    type='ActionDataPreprocessor',
                    mean=[128.0] * 3,
                    std=[64.0] * 3,
                    format_shape='NCTHW',
                ),
            ),
            test_pipeline=[dict(type='NoSuchStep')],
            test_dataloader=loader,
            test_evaluator=dict(type='AccMetric'),
            test_cfg=dict(),
        )
    ).dump(str(path))


@pytest.fixture
def arguments(folder, monkeypatch):
    """CONFIG CHECKPOINT, the test set in wrappers"""
    monkeypatch.chdir(folder)
    return ['wrapped.py', 'weights.pth']


@pytest.fixture(scope='module')
def tested(folder):
    """The scores that tools/test.py gives, by video."""
    dump = folder / 'scores.pkl'
    run_tool(
        'test.py',
        folder / 'plain.py',
        folder / 'weights.pth',
        '--dump',
        dump,
        '--work-dir',
        folder / 'work',
    )
    samples = pickle.loads(dump.read_bytes())
    return [sample['pred_score'] for sample in samples]


@pytest.mark.parametrize('config', ['plain.py', 'wrapped.py'])
def test_demo_and_apis_score_as_test_does(config, arguments, tested, capsys):
    arguments[0] = config
    model = init_model(*arguments, device='cpu')
    for number, expected in enumerate(tested):
        video = f'{number}.mp4'
        scores = dict(recognize(model, video))
        assert scores['bег'] == pytest.approx(expected[0].item(), abs=1e-6)
        assert scores['šаг'] == pytest.approx(expected[1].item(), abs=1e-6)
        sample = inference_recognizer(model, video)
        torch.testing.assert_close(sample.pred_score, expected)
    run_tool('demo.py', '1.mp4', *arguments, '--device', 'cpu', '--no-video')
    best = int(tested[1].argmax())
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert lines[0] == f'{tested[1][best]:7.2%}  {["bег", "šаг"][best]}'


def test_views_are_those_of_the_test_set(arguments):
    model = init_model(*arguments, device='cpu')
    with pytest.raises(ValueError, match='makes 2 views'):
        read_clip(model, '0.mp4', view=2)


def test_a_model_folder_in_place_of_config_and_checkpoint(
    folder, arguments, tested, tmp_path, capsys
):
    """The lists and videos do not travel; their places are told."""
    saved = tmp_path / 'saved'
    save_pretrained(init_model(*arguments, device='cpu'), saved)
    run_tool('demo.py', '1.mp4', saved, '--no-video')
    best = int(tested[1].argmax())
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert lines[0] == f'{tested[1][best]:7.2%}  {["bег", "šаг"][best]}'

    run_tool('predict.py', saved, '0.mp4', '1.mp4', '--out', tmp_path / 'all')
    record = json.loads((tmp_path / 'all.json').read_text())
    for number, video in enumerate(record):
        scores = video['segments'][0]['scores']
        assert scores['bег'] == pytest.approx(tested[number][0].item())

    message = 'expected a list of videos, got none'
    assert_refused(capsys, message, 'report.py', saved)
    places = (
        f'test_dataloader.dataset.ann_file={folder}/both.txt',
        f'test_dataloader.dataset.data_prefix.video={folder}',
        'test_dataloader.num_workers=0',
        'test_dataloader.persistent_workers=False',
    )
    options = '--cfg-options', *places
    run_tool('report.py', saved, '--out', tmp_path / 'run', *options)
    run_tool(
        'test.py',
        *(saved, '--dump', tmp_path / 'scores.pkl'),
        *('--work-dir', tmp_path / 'work', *options),
    )
    dump = tmp_path / 'scores.pkl'
    run_tool('report.py', saved, dump, '--out', tmp_path / 'dump', *options)
    run_tool('report.py', arguments[0], dump, '--out', tmp_path / 'config')
    expected = (tmp_path / 'run.md').read_text()
    assert 'of 2 videos' in expected
    assert (tmp_path / 'dump.md').read_text() == expected
    assert (tmp_path / 'config.md').read_text() == expected


@pytest.mark.parametrize('name', ['vis_delta', 'vis_effective_context'])
def test_pictures_of_a_clip(name, arguments, tmp_path):
    script, out = f'analysis_tools/{name}.py', tmp_path / 'out'
    run_tool(script, '0.mp4', *arguments, '--view', 1, '--out', out)
    assert (tmp_path / 'out.mp4').exists()


def test_frame_orders(arguments, tested, tmp_path):
    out = tmp_path / 'order'
    script = 'analysis_tools/temporal_consistency.py'
    run_tool(script, *arguments, '--device', 'cpu', '--out', out)
    results = json.loads((tmp_path / 'order.json').read_text())['results']
    correct = [int(s.argmax()) == label for label, s in enumerate(tested)]
    top1 = results['sequential']['acc/top1']
    assert top1 == pytest.approx(np.mean(correct))


def test_delta_contrast_takes_all_videos(arguments, tmp_path):
    script, out = 'analysis_tools/delta_contrast.py', tmp_path / 'contrast'
    run_tool(script, *arguments, '--device', 'cpu', '--out', out)
    record = json.loads((tmp_path / 'contrast.json').read_text())
    assert record['videos'] == 2


def test_flops_are_counted_for_the_input(arguments, capsys):
    run_tool('analysis_tools/get_flops.py', arguments[0])
    assert '1 x 1 x 3 x 4 x 64 x 64' in capsys.readouterr().out


def test_annotated_videos_of_a_test(arguments, tmp_path):
    out = tmp_path / 'shown'
    shown = '--show-dir', out, '--work-dir', tmp_path / 'work'
    run_tool('test.py', *arguments, *shown)
    assert len(list(out.iterdir())) == 2


def test_an_override_of_the_data_set_alone_is_taken(folder, monkeypatch):
    monkeypatch.chdir(folder)
    key = 'test_dataloader.dataset.pipeline.1.num_clips'
    model = init_model('plain.py', device='cpu', cfg_options={key: 3})
    with pytest.raises(ValueError, match='makes 3 views'):
        read_clip(model, '0.mp4', view=3)
    dataset = find_dataset(model.cfg, 'test_dataloader')
    assert model.cfg.test_pipeline == dataset.pipeline
