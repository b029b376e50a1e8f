"""A run in a few lines: what the terminal gets, and the log file."""

import pytest
from mmengine.config import Config
from small_models import small_recognizer
from video_files import write_frames

from mmvideomamba.runner import build_runner


@pytest.fixture
def config(tmp_path):
    write_frames(tmp_path / 'a.mp4')
    write_frames(tmp_path / 'b.mp4')
    (tmp_path / 'list.txt').write_text('a.mp4 0\nb.mp4 1\n')
    dataset = dict(
        type='CheckedVideoDataset',
        ann_file=str(tmp_path / 'list.txt'),
        data_prefix=dict(video=str(tmp_path)),
        pipeline=[
            dict(type='DecordInit'),
            dict(type='SampleFrames', clip_len=4, num_clips=1),
            dict(type='DecordDecode'),
            dict(type='Resize', scale=(32, 32), keep_ratio=False),
            dict(type='FormatShape', input_format='NCTHW'),
            dict(type='PackActionInputs'),
        ],
    )
    loader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dataset,
    )
    return Config(
        dict(
            model=small_recognizer(num_classes=2),
            work_dir=str(tmp_path / 'work'),
            default_scope='mmaction',
            experiment_name=tmp_path.name,
            train_dataloader=loader,
            train_cfg=dict(by_epoch=True, max_epochs=3, val_interval=2),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            param_scheduler=dict(type='ConstantLR', factor=1),
            val_dataloader=loader,
            val_cfg=dict(),
            val_evaluator=dict(
                type='AccMetric',
                metric_list='top_k_accuracy',
                metric_options=dict(top_k_accuracy=dict(topk=(1,))),
            ),
        )
    )


def test_one_line_for_each_epoch(config, tmp_path, capfd):
    build_runner(config, brief=True).train()
    lines = capfd.readouterr().out.splitlines()
    first, second, third = [line.split() for line in lines]
    assert first[:3] == ['epoch', '1/3', 'loss'] and len(first) == 4
    assert second[:3] == ['epoch', '2/3', 'loss']
    # The last epoch is always validated.
    for line in (second, third):
        assert line[4] == 'acc/top1' and 0 <= float(line[5]) <= 1
    (log,) = (tmp_path / 'work').glob('*/*.log')
    text = log.read_text()
    assert 'Hooks will be executed' in text and 'Epoch(train)' in text


def test_warnings_come_through(config, tmp_path, capfd):
    config.experiment_name += '_warned'
    runner = build_runner(config, brief=True)
    runner.logger.warning('something to know')
    assert 'something to know' in capfd.readouterr().out
