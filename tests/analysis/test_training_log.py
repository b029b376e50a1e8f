"""Logs as the runner writes them, resumed and killed ones included."""

import itertools
import json
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner

from mmvideomamba.analysis.training_log import (
    read_test_metrics,
    read_training_log,
)
from mmvideomamba.visualization import draw_training_curve

NUMBERS = itertools.count()
LOADER = dict(
    batch_size=2,
    num_workers=0,
    dataset=[dict(inputs=1), dict(inputs=2)] * 10,
    sampler=dict(type='DefaultSampler'),
    collate_fn=dict(type='pseudo_collate'),
)


class OneWeight(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, mode):
        loss = self.weight.square().sum()
        return dict(loss=loss) if mode == 'loss' else [loss]


class Half(BaseMetric):
    default_prefix = 'acc'

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(half=0.5)


def write_start(work_dir, time, epochs, steps=4, tail=''):
    """Log a start that trained `epochs`, four logged steps in each."""
    records = []
    for epoch in epochs:
        for i in range(1, steps + 1):
            step = (epoch - 1) * steps + i
            loss = float(f'{time}.{step:03d}')
            records.append(dict(loss=loss, lr=1e-3, epoch=epoch, step=step))
        records.append({'acc/top1': epoch / 10, 'time': 1.0, 'step': epoch})
    path = work_dir / str(time) / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(r) + '\n' for r in records) + tail)


def test_a_resumed_training_is_one_course(tmp_path):
    write_start(tmp_path, 1, [1, 2, 3])
    write_start(tmp_path, 2, [3, 4])
    log = read_training_log(tmp_path)
    assert [r['step'] for r in log.train] == list(range(1, 17))
    assert [int(r['loss']) for r in log.train] == [1] * 8 + [2] * 8
    assert [r['step'] for r in log.val] == [1, 2, 3, 4]


def test_a_training_started_anew_replaces_the_old_one(tmp_path):
    write_start(tmp_path, 1, [1, 2, 3])
    write_start(tmp_path, 2, [1])
    log = read_training_log(tmp_path)
    assert [int(r['loss']) for r in log.train] == [2] * 4
    assert [r['step'] for r in log.val] == [1]


def test_half_a_line_at_the_end_is_left_out(tmp_path):
    write_start(tmp_path, 1, [1], tail='{"loss": 0.')
    assert len(read_training_log(tmp_path).train) == 4


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    write_start(tmp_path, 1, [1], tail='{"loss": 0.\n{"loss": 1}\n')
    with pytest.raises(ValueError, match=r'scalars\.json:6'):
        read_training_log(tmp_path)


def test_a_test_leaves_the_course_alone(tmp_path):
    write_start(tmp_path, 1, [1])
    test = tmp_path / '2'
    test.mkdir()
    (test / '2.json').write_text('{"acc/top1": 0.75}')
    assert len(read_training_log(tmp_path).train) == 4
    assert read_test_metrics(tmp_path) == {'acc/top1': 0.75}


def test_a_folder_without_logs_is_refused(tmp_path):
    with pytest.raises(ValueError, match='no training log in'):
        read_training_log(tmp_path)
    with pytest.raises(FileNotFoundError, match='no test results'):
        read_test_metrics(tmp_path)


def test_epochs_of_another_length_follow_the_old_ones(tmp_path):
    write_start(tmp_path, 1, [1, 2], steps=4)
    write_start(tmp_path, 2, [3, 4], steps=2)
    log = read_training_log(tmp_path)
    assert [r['epochs'] for r in log.train] == [
        *(0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2),
        *(2.5, 3, 3.5, 4),
    ]
    assert [r['step'] for r in log.val] == [1, 2, 3, 4]


def write_lines(work_dir, time, *records):
    path = work_dir / str(time) / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(r) + '\n' for r in records))


def test_a_start_inside_an_epoch_leaves_what_was_before(tmp_path):
    # Five iterations an epoch; interrupted after 2, and killed after 7, of
    # which 6 were saved.
    step = [
        dict(loss=1.0 + i, lr=0.1, step=i, epoch=1 + (i - 1) // 5)
        for i in range(11)
    ]
    first, second = ({'acc/top1': 0.5, 'step': epoch} for epoch in (1, 2))
    write_lines(tmp_path, 1, step[1], step[2])
    write_lines(tmp_path, 2, *step[3:6], first, step[6], step[7])
    write_lines(tmp_path, 3, *step[7:11])
    # Saved and not yet validated.
    write_lines(tmp_path, 4, second)
    log = read_training_log(tmp_path)
    assert [r['step'] for r in log.train] == list(range(1, 11))
    assert [r['epochs'] for r in log.train] == [i / 5 for i in range(1, 11)]
    assert log.val == [first, second]


def test_a_validation_that_is_made_again_counts_once(tmp_path):
    steps = [dict(loss=1.0, lr=0.1, step=i, epoch=i) for i in (1, 2, 3)]
    vals = [{'acc/top1': 0.1 * i, 'step': i} for i in (1, 2, 3)]
    write_lines(tmp_path, 1, steps[0], vals[0], steps[1], vals[1])
    write_lines(tmp_path, 2, vals[1], steps[2], vals[2])
    log = read_training_log(tmp_path)
    assert [r['step'] for r in log.train] == [1, 2, 3]
    assert log.val == vals


@pytest.mark.parametrize('by_epoch', [True, False])
@pytest.mark.parametrize('log_metric_by_epoch', [True, False])
def test_a_training_by_iterations_counts_them(
    tmp_path, by_epoch, log_metric_by_epoch
):
    """As mmengine really logs one, resumed once."""
    for load_from in (None, str(tmp_path / 'iter_4.pth')):
        runner = Runner(
            model=OneWeight(),
            work_dir=str(tmp_path),
            train_dataloader=LOADER,
            train_cfg=dict(by_epoch=False, max_iters=8, val_interval=4),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            val_dataloader=LOADER,
            val_cfg=dict(),
            val_evaluator=dict(type=Half),
            default_hooks=dict(
                logger=dict(
                    type='LoggerHook',
                    interval=2,
                    log_metric_by_epoch=log_metric_by_epoch,
                ),
                checkpoint=dict(
                    type='CheckpointHook', interval=4, by_epoch=False
                ),
            ),
            log_processor=dict(by_epoch=by_epoch),
            visualizer=dict(
                type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]
            ),
            load_from=load_from,
            resume=load_from is not None,
            log_level='ERROR',
            experiment_name=f'log_{next(NUMBERS)}',
        )
        runner.train()
        # Starts of one second would share their folder.
        Path(runner.log_dir).rename(tmp_path / runner.experiment_name)
    log = read_training_log(tmp_path)
    assert [r['step'] for r in log.train] == [2, 4, 6, 8]
    assert [(r['step'], r['acc/half']) for r in log.val] == [
        (4, 0.5),
        (8, 0.5),
    ]
    figure = draw_training_curve(log.train, log.val)
    assert figure.axes[0].get_xlabel() == 'iteration'
