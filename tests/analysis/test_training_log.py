"""Logs as the runner writes them, resumed and killed ones included."""

import json

import pytest

from mmvideomamba.analysis.training_log import (
    read_test_metrics,
    read_training_log,
)


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
