"""Interrupted and resumed runs are, to the bit, the uninterrupted run."""

import functools
import itertools
import signal
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import FlexibleRunner, Runner, loops
from same_runs import assert_same_runs
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from mmvideomamba.runner import PreemptionHook, TrainingInterrupted
from mmvideomamba.runner.data_position import DataPosition

NUMBERS = itertools.count()
CLIPS = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
# Per epoch: 5 batches of 2.
EPOCHS, ITERS = 3, 5


class Net(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.norm = nn.BatchNorm1d(1)

    def forward(self, inputs, mode, **others):
        scores = self.norm(self.layer(torch.stack(inputs)))
        if mode == 'predict':
            return [dict(score=score) for score in scores]
        return dict(loss=(scores - 1).square().mean())


class Clips:
    """Counts what is read."""

    def __init__(self, clips=CLIPS):
        self.clips = clips
        self.read = []

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):
        self.read.append(int(index))
        return dict(inputs=self.clips[index])


class Score(BaseMetric):
    """The mean square of the scores, the less the better."""

    default_prefix = 'acc'

    def process(self, data_batch, data_samples):
        self.results += [sample['score'].item() for sample in data_samples]

    def compute_metrics(self, results):
        return dict(mean=float(np.mean(np.square(results))))


class SignalHook(Hook):
    """Sends itself a signal in an iteration."""

    def __init__(self, stage, number, at):
        self.signal, self.at = number, at
        setattr(self, f'after_{stage}_iter', self.count)

    def count(self, runner, batch_idx, **others):
        self.at -= 1
        if self.at == 0:
            signal.raise_signal(self.signal)


class SeenHook(Hook):
    """Keeps what the hooks are told of each iteration."""

    priority = 'HIGHEST'

    def __init__(self):
        self.seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        lrs = runner.optim_wrapper.get_lr()['lr']
        clips = torch.stack(data_batch['inputs'])
        self.seen.append(
            (runner.epoch, runner.iter, batch_idx, lrs, clips.tolist())
        )


@pytest.fixture(autouse=True)
def keep_signals():
    """An interrupted run ignores signals until its process ends."""
    kept = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """Threads that wait for each other take longer than these models."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with mock.patch.object(loops, 'time'):  # a loop sleeps between epochs
        yield
    torch.set_num_threads(threads)


def config_of(
    work_dir,
    hooks,
    batch_size=2,
    workers=0,
    by_epoch=True,
    sampler='DefaultSampler',
    interval=1,
    accumulated=1,
    ema=True,
    preemption=None,
    **more,
):
    loader = dict(
        batch_size=batch_size,
        num_workers=workers,
        dataset=Clips(),
        collate_fn=dict(type='pseudo_collate'),
    )
    train_cfg = dict(by_epoch=True, max_epochs=EPOCHS)
    if not by_epoch:
        train_cfg = dict(
            by_epoch=False, max_iters=EPOCHS * ITERS, val_interval=ITERS
        )
    torch.manual_seed(7)
    config = dict(
        default_scope='mmaction',
        model=Net(),
        work_dir=str(work_dir),
        experiment_name=f'preemption_{next(NUMBERS)}',
        train_dataloader=dict(
            loader, sampler=dict(type=sampler, shuffle=True)
        ),
        train_cfg=train_cfg,
        val_dataloader=dict(
            loader, sampler=dict(type='DefaultSampler', shuffle=False)
        ),
        val_cfg=dict(),
        val_evaluator=Evaluator(Score()),
        optim_wrapper=dict(
            optimizer=dict(type='AdamW', lr=0.1),
            clip_grad=dict(max_norm=1),
            accumulative_counts=accumulated,
        ),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, end=7, by_epoch=False),
            dict(type='MultiStepLR', milestones=[1, 2], by_epoch=True),
        ],
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=2),
            checkpoint=dict(
                type='CheckpointHook',
                interval=interval if by_epoch else interval * ITERS,
                by_epoch=by_epoch,
                save_best='acc/mean',
                rule='less',
            ),
            preemption=dict(type='PreemptionHook', **(preemption or {})),
        ),
        custom_hooks=[dict(type='EMAHook', momentum=0.3)] * ema + hooks,
        log_processor=dict(by_epoch=by_epoch, window_size=4),
        randomness=dict(seed=3),
        launcher='none',
    )
    return {**config, **more}


def train(work_dir, *hooks, runner_type=Runner, **changes):
    """Train to the end, or to an interruption; return what was seen."""
    seen = SeenHook()
    config = config_of(work_dir, [seen, *hooks], **changes)
    runner = runner_type(**config)
    try:
        runner.train()
    except SystemExit as end:
        assert isinstance(end, TrainingInterrupted) and end.code == 75
        assert Path(work_dir, 'interrupted').exists()
    else:
        assert not Path(work_dir, 'interrupted').exists()
    # Workers end with it, not when Python collects cycles.
    vars(runner.train_loop).pop('dataloader_iterator', None)
    return seen.seen, runner


def latest(work_dir):
    """The name of what --resume would resume."""
    return Path(Path(work_dir, 'last_checkpoint').read_text()).name


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The uninterrupted run of these settings: its folder, what was seen."""

    @functools.lru_cache(None)
    def run(**kind):
        folder = tmp_path_factory.mktemp('whole')
        return folder, train(folder, **kind)[0]

    return run


ENDLESS = dict(by_epoch=False, workers=2, sampler='InfiniteSampler')
# FlexibleRunner resumes before EMAHook has its average.
FLEXIBLE = dict(runner_type=FlexibleRunner, ema=False)


@pytest.mark.parametrize(
    'kind, at',
    [
        (dict(), 1),
        (dict(), 5),
        (dict(workers=2), 8),
        (FLEXIBLE, 5),
        (FLEXIBLE, 8),
        (dict(by_epoch=False), 5),
        (dict(by_epoch=False), 8),
        (ENDLESS, 8),
        (dict(accumulated=2, param_scheduler=None), 5),
        (dict(accumulated=2, param_scheduler=None), 7),
    ],
)
def test_a_warning_saves_and_the_resumed_run_goes_on(
    tmp_path, whole, kind, at
):
    folder, seen = whole(**kind)
    warning = SignalHook('train', signal.SIGTERM, at)
    first, _ = train(tmp_path, warning, **kind)
    # The iteration, or the step of the optimizer, is finished.
    assert len(first) == at + at % kind.get('accumulated', 1)
    regular = at == 5 and not kind.get('by_epoch', True)
    assert latest(tmp_path) == ('iter_5.pth' if regular else 'in_epoch.pth')
    rest, resumed = train(tmp_path, resume=True, **kind)
    assert first + rest == seen
    assert_same_runs(tmp_path, folder)
    read = resumed.train_dataloader.dataset.read
    # Skipped clips are not read; with workers, nobody can tell from here.
    assert not read or len(read) == 2 * len(rest)


@pytest.mark.parametrize('saved', [True, False])
@pytest.mark.parametrize('by_epoch', [True, False])
def test_a_warning_ends_a_validation_which_comes_first_then(
    tmp_path, whole, saved, by_epoch
):
    kind = dict(by_epoch=by_epoch, interval=1 if saved else 2)
    folder, seen = whole(**kind)
    # The second of three validations, of five iterations each.
    first, _ = train(tmp_path, SignalHook('val', signal.SIGUSR1, 7), **kind)
    assert len(first) == 2 * ITERS
    # With an interval of 2, it is the first epoch that is not saved.
    rest, _ = train(tmp_path, resume=True, **kind)
    assert first + rest == seen
    assert_same_runs(tmp_path, folder)


class KillHook(Hook):
    """Ends the process, as good as killed, at the start of a stage."""

    priority = 'LOWEST'

    def __init__(self, stage, at):
        self.at = at
        setattr(self, stage, self.count)

    def count(self, runner, **others):
        self.at -= 1
        if self.at == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize('by_epoch', [True, False])
@pytest.mark.parametrize('epoch', [1, EPOCHS])
def test_a_run_killed_before_it_validated_validates_first(
    tmp_path, whole, by_epoch, epoch
):
    folder, seen = whole(by_epoch=by_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, KillHook('before_val', epoch), by_epoch=by_epoch)
    rest, _ = train(tmp_path, resume=True, by_epoch=by_epoch)
    assert rest == seen[epoch * ITERS :]
    assert_same_runs(tmp_path, folder)


@pytest.mark.parametrize(
    'intervals',
    [
        dict(interval_iters=3, interval_minutes=None),
        # As good as in every iteration.
        dict(interval_minutes=1e-9),
    ],
)
def test_a_run_is_saved_in_intervals(tmp_path, whole, intervals):
    folder, seen = whole()
    killed = KillHook('before_train_iter', ITERS + 5)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, killed, preemption=intervals)
    assert latest(tmp_path) == 'in_epoch.pth'
    rest, _ = train(tmp_path, resume=True, preemption=intervals)
    # Counted from the checkpoint of the epoch on.
    assert rest == seen[ITERS + (3 if 'interval_iters' in intervals else 4) :]
    assert_same_runs(tmp_path, folder)


def test_only_our_own_file_is_removed(tmp_path):
    (tmp_path / 'mine.pth').touch()
    train(tmp_path, preemption=dict(interval_iters=2))
    names = {path.name for path in tmp_path.glob('*.pth')}
    assert 'mine.pth' in names and 'in_epoch.pth' not in names


def test_without_a_seed_the_order_of_the_clips_goes_on(tmp_path):
    first, _ = train(
        tmp_path,
        SignalHook('train', signal.SIGTERM, 3),
        randomness=dict(seed=None),
    )
    rest, _ = train(tmp_path, resume=True, randomness=dict(seed=None))
    clips = [tuple(c) for *_, batch in first + rest[:2] for c in batch]
    assert sorted(clips) == sorted(map(tuple, CLIPS.tolist()))


@pytest.mark.parametrize(
    'at, batch_sizes, seen_again',
    [(2, (2, 4), False), (1, (4, 2), False), (3, (2, 4), True)],
)
def test_another_batch_size_goes_on_by_clips(
    tmp_path, at, batch_sizes, seen_again
):
    before, after = batch_sizes
    warning = SignalHook('train', signal.SIGTERM, at)
    first, _ = train(tmp_path, warning, batch_size=before)
    rest, _ = train(tmp_path, resume=True, batch_size=after)
    epoch_length = -(-len(CLIPS) // after)
    done = 0 if seen_again else at * before // after
    assert [place[:3] for place in rest] == [
        (epoch, epoch * epoch_length + index, index)
        for epoch in range(EPOCHS)
        for index in range(done if epoch == 0 else 0, epoch_length)
    ]
    read = [] if seen_again else [c for *_, batch in first for c in batch]
    read += [c for epoch, *_, batch in rest for c in batch if epoch == 0]
    assert sorted(read) == sorted(CLIPS.tolist())
    # The schedule by iterations, as the config has it there.
    assert rest[0][3] == pytest.approx([0.1 * (0.1 + 0.9 * done / 6)])


class Stream(IterableDataset):
    """Clips that have no index."""

    def __iter__(self):
        return iter([dict(inputs=clip) for clip in CLIPS])

    def __len__(self):
        return len(CLIPS)


def test_a_stream_is_read_again(tmp_path):
    loader = DataLoader(Stream(), 2, collate_fn=pseudo_collate)
    kind = dict(by_epoch=False, train_dataloader=loader)
    killed = KillHook('before_train_iter', ITERS + 3)
    with pytest.raises(KeyboardInterrupt):
        first = SeenHook()
        train(tmp_path, killed, first, **kind)
    rest, _ = train(tmp_path, resume=True, **kind)
    assert rest[:3] == first.seen[ITERS:]


@pytest.mark.parametrize(
    'position', [3, dict(iterations=3), dict(iterations=-1, batch=2)]
)
def test_a_position_of_another_kind_is_refused(position):
    with pytest.raises(ValueError, match='data_position should have'):
        DataPosition.of_meta(dict(data_position=position))


@pytest.mark.parametrize('name', ['interval_minutes', 'interval_iters'])
def test_intervals_are_positive(name):
    with pytest.raises(ValueError, match=f'{name}: expected a number above 0'):
        PreemptionHook(**{name: 0})
