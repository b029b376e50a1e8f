"""Checkpoints appear whole, before older ones go, in the run's folder."""

import os
import resource
import shutil
import signal
from contextlib import contextmanager

import pytest
import torch
from mmengine.runner import FlexibleRunner, Runner
from small_runs import DoHook, small_runner

from mmvideomamba.checkpoints import read_checkpoint
from mmvideomamba.runner import require_unused_work_dir

SAVE_BEST = dict(
    logger=None,
    checkpoint=dict(
        type='CheckpointHook', interval=1, max_keep_ckpts=1, save_best='acc'
    ),
)


def names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


@contextmanager
def room_for(size):
    """No file may become larger, as if the disk were full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize('runner_type', [Runner, FlexibleRunner])
def test_one_is_kept_and_the_best(tmp_path, runner_type):
    small_runner(
        tmp_path,
        runner_type,
        scores=(0.5, 0.7, 0.6),
        train_cfg=dict(by_epoch=True, max_epochs=3),
        default_hooks=SAVE_BEST,
    ).train()
    assert names(tmp_path) == ['best_acc_epoch_2.pth', 'epoch_3.pth']
    last = (tmp_path / 'last_checkpoint').read_text()
    assert last == str(tmp_path / 'epoch_3.pth')
    assert not [p for p in tmp_path.iterdir() if p.name.startswith('.')]


def test_the_old_checkpoint_survives_a_full_disk(tmp_path):
    with pytest.raises(OSError) as error, room_for(2000):
        # The first is not saved either.
        small_runner(tmp_path / 'a', default_hooks=SAVE_BEST).train()
    assert not names(tmp_path / 'a')

    hooks = []

    def fill(runner, outputs):
        hooks.append(room_for(2000))
        hooks[0].__enter__()

    runner = small_runner(
        tmp_path / 'b',
        default_hooks=SAVE_BEST,
        custom_hooks=[DoHook(6, fill)],
    )
    try:
        with pytest.raises(OSError) as error:
            runner.train()
    finally:
        hooks[0].__exit__(None, None, None)
    path = tmp_path / 'b' / 'epoch_1.pth'
    assert names(path.parent) == ['epoch_1.pth']
    assert (path.parent / 'last_checkpoint').read_text() == str(path)
    read_checkpoint(str(path))
    message = str(error.value)
    assert '\n' not in message
    assert f'cannot write {path.parent / "epoch_2.pth"}: ' in message
    assert '--resume' in message


def test_a_file_is_synced_before_the_old_one_goes(tmp_path, monkeypatch):
    events = []
    sync, remove, replace = os.fsync, os.remove, os.replace

    def record(what, function):
        def call(*args):
            path = str(args[-1])
            events.append((what, os.path.basename(path)))
            return function(*args)

        return call

    monkeypatch.setattr(os, 'fsync', record('sync', sync))
    monkeypatch.setattr(os, 'replace', record('name', replace))
    monkeypatch.setattr(os, 'remove', record('remove', remove))
    small_runner(
        tmp_path,
        scores=(0.5, 0.6),
        default_hooks=SAVE_BEST,
    ).train()
    kinds = [
        (what, name)
        for what, name in events
        if what == 'sync' or not name.startswith('.')
    ]
    # Of the second epoch: the file, then the older one goes; the best, and
    # the file again, which names it; then the older best goes.
    order = [event for event in kinds if event[0] != 'sync']
    assert order == [
        ('name', 'epoch_1.pth'),
        ('name', 'last_checkpoint'),
        ('name', 'best_acc_epoch_1.pth'),
        ('name', 'epoch_1.pth'),
        ('name', 'last_checkpoint'),
        ('name', 'epoch_2.pth'),
        ('name', 'last_checkpoint'),
        ('remove', 'epoch_1.pth'),
        ('name', 'best_acc_epoch_2.pth'),
        ('name', 'epoch_2.pth'),
        ('name', 'last_checkpoint'),
        ('remove', 'best_acc_epoch_1.pth'),
    ]
    for number, (what, name) in enumerate(kinds):
        if what == 'name' and name.endswith('.pth'):
            assert kinds[number - 1][0] == kinds[number + 1][0] == 'sync'


@pytest.fixture
def first_run(tmp_path):
    """A run of one epoch that has a best checkpoint."""
    folder = tmp_path / 'first'
    small_runner(
        folder,
        scores=(0.5,),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        default_hooks=SAVE_BEST,
    ).train()
    assert names(folder) == ['best_acc_epoch_1.pth', 'epoch_1.pth']
    return folder


def go_on(work_dir, path):
    runner = small_runner(
        work_dir,
        scores=(0.6,),
        load_from=str(path),
        resume=True,
        default_hooks=SAVE_BEST,
    )
    runner.train()
    return runner


def test_what_a_killed_run_had_half_saved_goes(first_run):
    (first_run / '.partial_x1.pth').write_bytes(b'half')
    (first_run / '.mine.pth').write_bytes(b'whole')
    go_on(first_run, first_run / 'epoch_1.pth')
    hidden = [p.name for p in first_run.iterdir() if p.name.startswith('.')]
    assert hidden == ['.mine.pth']


def test_another_runs_files_stay(tmp_path, first_run):
    go_on(tmp_path / 'second', first_run / 'epoch_1.pth')
    assert names(first_run) == ['best_acc_epoch_1.pth', 'epoch_1.pth']
    there = names(tmp_path / 'second')
    assert there == ['best_acc_epoch_2.pth', 'epoch_2.pth']


def test_a_copied_folder_is_a_run_of_its_own(tmp_path, first_run):
    copy = tmp_path / 'copy'
    shutil.copytree(first_run, copy)
    go_on(copy, copy / 'epoch_1.pth')
    assert names(first_run) == ['best_acc_epoch_1.pth', 'epoch_1.pth']
    assert names(copy) == ['best_acc_epoch_2.pth', 'epoch_2.pth']


@pytest.mark.parametrize('what', ['folder', 'file', 'own log', 'number'])
def test_a_path_in_a_checkpoint_is_not_removed(tmp_path, first_run, what):
    precious = tmp_path / 'best_acc_epoch_1.pth'
    if what == 'own log':
        precious = first_run / 'notes'
    if what in ('folder', 'own log'):
        precious.mkdir()
    else:
        precious.write_text('precious')
    path = first_run / 'epoch_1.pth'
    content = torch.load(path)
    notes = content['message_hub']['runtime_info']
    notes['best_ckpt'] = 7 if what == 'number' else str(precious)
    notes['last_ckpt'] = str(precious)
    torch.save(content, path)
    go_on(first_run, path)
    assert precious.exists()


def test_a_new_run_says_what_it_would_overwrite(tmp_path, first_run):
    runner = small_runner(first_run, log_level='WARNING')
    with pytest.raises(
        ValueError, match=r'another run, best_acc_epoch_1.pth.*--resume'
    ):
        require_unused_work_dir(runner)
    require_unused_work_dir(small_runner(tmp_path / 'new'))
    require_unused_work_dir(small_runner(first_run, resume=True))
    warnings = []
    runner.logger.warning = warnings.append
    runner.train()
    assert any('will be overwritten' in warning for warning in warnings)
