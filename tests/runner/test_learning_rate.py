"""Learning rates by value: scaled by the batch, resumed by epochs."""

import copy
import itertools
import logging
import math
from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import FlexibleRunner, Runner

from mmvideomamba.datasets.motion_shapes import write_motion_shapes
from mmvideomamba.registry import DATASETS

LR = 0.08
NUMBERS = itertools.count()
WARMUP = dict(
    type='LinearLR',
    start_factor=0.25,
    end=1,
    by_epoch=True,
    convert_to_iter_based=True,
)
COSINE = dict(
    type='CosineAnnealingLR',
    eta_min=0.01,
    T_max=3,
    begin=1,
    end=4,
    by_epoch=True,
    convert_to_iter_based=True,
)


class Net(BaseModel):
    """Has the same loss for any batch."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.head = torch.nn.Parameter(torch.ones(2))

    def forward(self, inputs, mode, **others):
        self.clips = len(inputs)
        return dict(loss=(self.weight * self.head).square().sum())


class RatesHook(Hook):
    """Keeps the rate of every iteration, and how many are left of the run."""

    def __init__(self):
        self.rates, self.of_head, self.left = [], [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        rates = runner.optim_wrapper.get_lr()['lr']
        self.rates.append(rates[0])
        self.of_head.append(rates[-1])
        self.left.append(runner.max_iters - runner.iter)


@pytest.fixture(params=[Runner, FlexibleRunner])
def train(request, tmp_path):
    """Train 4 epochs of 8 samples; return the runner and the rates."""

    def train(
        batch_size,
        schedulers=(WARMUP, COSINE),
        sampler='DefaultSampler',
        **changes,
    ):
        hook = RatesHook()
        config = dict(
            default_scope='mmaction',
            model=Net(),
            work_dir=str(tmp_path),
            experiment_name=f'learning_rate_{next(NUMBERS)}',
            train_dataloader=dict(
                batch_size=batch_size,
                num_workers=0,
                dataset=[dict(inputs=torch.ones(2))] * 8,
                sampler=dict(type=sampler),
                collate_fn=dict(type='pseudo_collate'),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=4),
            optim_wrapper=dict(
                optimizer=dict(type='SGD', lr=LR, momentum=0.9),
                paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=0.5))),
            ),
            param_scheduler=copy.deepcopy(list(schedulers)) or None,
            default_hooks=dict(logger=None),
            custom_hooks=[hook],
            launcher='none',
            log_level='INFO',
        )
        runner = request.param(**{**config, **changes})
        logged = []
        handler = logging.Handler()
        handler.emit = lambda record: logged.append(record.getMessage())
        runner.logger.addHandler(handler)
        runner.train()
        return SimpleNamespace(runner=runner, logged=logged, **vars(hook))

    return train


STEPS = dict(type='MultiStepLR', milestones=[1, 3], by_epoch=True)


@pytest.mark.parametrize('batch_size', [1, 2, 8])
@pytest.mark.parametrize('schedulers', [(WARMUP, COSINE), (WARMUP, STEPS), ()])
def test_another_batch_goes_on_by_epochs(
    train, tmp_path, batch_size, schedulers
):
    whole = train(batch_size, schedulers)
    train(4, schedulers)
    checkpoint = str(tmp_path / 'epoch_2.pth')
    resumed = train(batch_size, schedulers, load_from=checkpoint, resume=True)
    half = len(whole.rates) // 2
    assert resumed.rates == pytest.approx(whole.rates[half:], rel=1e-12)
    of_head = whole.of_head[half:]
    assert resumed.of_head == pytest.approx(of_head, rel=1e-12)
    assert resumed.of_head != resumed.rates
    assert resumed.left == list(range(half, 0, -1))
    (warning,) = [line for line in resumed.logged if 'Going on at' in line]
    assert (
        f'4 iterations in 2 epochs; an epoch now has {8 // batch_size} '
        in (warning)
    )
    assert f'at iteration {half} of {2 * half}' in warning
    # The momentum is that of the checkpoint.
    saved = torch.load(checkpoint)['optimizer']['state'][0]['momentum_buffer']
    assert saved.abs().sum() > 0

    # Once more, from what the resumed run has saved.
    again = train(4, schedulers, load_from=str(tmp_path / 'epoch_3.pth'))
    assert len(again.rates) == 8
    again = train(
        batch_size,
        schedulers,
        load_from=str(tmp_path / 'epoch_3.pth'),
        resume=True,
    )
    assert again.rates == pytest.approx(whole.rates[-(half // 2) :])


def test_the_values_of_the_schedule(train, tmp_path):
    train(8)
    resumed = train(4, load_from=str(tmp_path / 'epoch_2.pth'), resume=True)
    # Epochs 2 to 4 are a cosine of 6 iterations; two of them are over.
    cosine = [
        0.01 + (LR - 0.01) * (1 + math.cos(math.pi * step / 6)) / 2
        for step in range(2, 6)
    ]
    assert resumed.rates == pytest.approx(cosine, rel=1e-6)


def test_the_same_batch_resumes_as_before(train, tmp_path):
    whole = train(2)
    resumed = train(2, load_from=str(tmp_path / 'epoch_2.pth'), resume=True)
    assert resumed.rates == whole.rates[8:]
    assert not [line for line in resumed.logged if 'Going on at' in line]


def test_a_checkpoint_inside_an_epoch_repeats_that_epoch(train, tmp_path):
    by_iteration = dict(type='CheckpointHook', by_epoch=False, interval=3)
    whole = train(4, default_hooks=dict(logger=None, checkpoint=by_iteration))
    resumed = train(4, load_from=str(tmp_path / 'iter_3.pth'), resume=True)
    assert resumed.rates == pytest.approx(whole.rates[2:], rel=1e-12)
    assert resumed.left[-1] == 1


def test_iterations_without_epochs_stay_as_they_are(train, tmp_path):
    cosine = dict(
        type='CosineAnnealingLR', eta_min=0.01, T_max=6, by_epoch=False
    )
    changes = dict(
        schedulers=[cosine],
        train_cfg=dict(by_epoch=False, max_iters=6),
        sampler='InfiniteSampler',
    )
    hooks = dict(
        logger=None,
        checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3),
    )
    whole = train(4, default_hooks=hooks, **changes)
    checkpoint = str(tmp_path / 'iter_3.pth')
    resumed = train(2, load_from=checkpoint, resume=True, **changes)
    assert resumed.rates == whole.rates[3:]


def test_a_schedule_by_validation_stops_before_the_first_step(train, tmp_path):
    plateau = dict(type='ReduceOnPlateauLR', monitor='loss')
    train(4, [plateau])
    with pytest.raises(
        ValueError, match='4 iterations in 2 epochs, an epoch now has 4'
    ):
        train(2, [plateau], load_from=f'{tmp_path}/epoch_2.pth', resume=True)


@pytest.mark.parametrize(
    'changes, said',
    [
        (dict(), None),
        (dict(lr=0.2), 'lr 0.08/0.04 (config: 0.2/0.1)'),
        (dict(weight_decay=0.1), 'weight_decay 0 (config: 0.1)'),
        (
            dict(schedulers=(WARMUP, dict(COSINE, eta_min=0.02))),
            'param_scheduler[1] CosineAnnealingLR.eta_min 0.01 (config: 0.02)',
        ),
        (dict(lr=0.2, schedulers=()), 'lr 0.08/0.04 (config: 0.2/0.1)'),
    ],
)
def test_settings_that_a_resumed_run_does_not_take_are_told(
    train, tmp_path, changes, said
):
    changes = dict(changes)
    schedulers = changes.pop('schedulers', (WARMUP, COSINE))
    train(4, schedulers and (WARMUP, COSINE))
    optimizer = dict(type='SGD', lr=LR, momentum=0.9)
    optimizer.update(changes)
    resumed = train(
        4,
        schedulers,
        load_from=str(tmp_path / 'epoch_2.pth'),
        resume=True,
        optim_wrapper=dict(
            optimizer=optimizer,
            paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=0.5))),
        ),
    )
    told = [line for line in resumed.logged if 'Going on with' in line]
    if said is None:
        assert not told
    else:
        (line,) = told
        assert f'has changed: {said}. To train' in line


def test_the_base_rate_of_the_log_is_scaled_too(train):
    scaled = train(2, auto_scale_lr=dict(enable=True, base_batch_size=8))
    rates = scaled.runner.optim_wrapper.get_lr()
    assert rates['base_lr'] == rates['lr'][:1]
    assert max(scaled.rates) == pytest.approx(LR * 2 / 8)


def test_a_finished_run_says_that_nothing_is_left(train, tmp_path):
    train(4)
    resume = dict(load_from=str(tmp_path / 'epoch_4.pth'), resume=True)
    resumed = train(4, **resume)
    assert resumed.rates == []
    assert (
        'Nothing is left to train: the checkpoint is of epoch 4, and '
        'train_cfg.max_epochs=4'
    ) in resumed.logged
    with pytest.raises(ValueError, match="from 0 to 2 as meta.epoch, got '4'"):
        train(4, **resume, train_cfg=dict(by_epoch=True, max_epochs=2))


@pytest.mark.parametrize('base', [None, 0, -8, '64'])
def test_a_learning_rate_is_for_a_batch_of_some_size(train, base):
    with pytest.raises(ValueError, match='base_batch_size, .*, got '):
        train(2, auto_scale_lr=dict(enable=True, base_batch_size=base))


def test_accumulated_batches_count(train):
    scaled = train(
        2,
        schedulers=(),
        auto_scale_lr=dict(enable=True, base_batch_size=64),
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=LR), accumulative_counts=4
        ),
    )
    assert set(scaled.rates) == {LR * 8 / 64}
    assert [
        line for line in scaled.logged if line.startswith('Effective')
    ] == [
        'Effective batch of 8 clips: 1 processes x 2 clips x 4 accumulated '
        'iterations'
    ]


@pytest.mark.parametrize('enable', [True, False])
def test_processes_count_as_in_mmengine(train, enable):
    scaled = train(
        8, (), auto_scale_lr=dict(enable=enable, base_batch_size=64)
    )
    assert set(scaled.rates) == {LR / 8 if enable else LR}


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp('videos')
    write_motion_shapes(str(root), 8, 8, num_frames=8, size=64)
    return root


def repeated(videos, num_repeats, kind='RepeatAugDataset'):
    return DATASETS.build(
        dict(
            type=kind,
            ann_file=str(videos / 'test_list.txt'),
            data_prefix=dict(video=str(videos / 'videos')),
            num_repeats=num_repeats,
            pipeline=[
                dict(type='DecordInit'),
                dict(type='SampleFrames', clip_len=2),
                dict(type='DecordDecode'),
                dict(type='FormatShape', input_format='NCTHW'),
                dict(type='PackActionInputs'),
            ],
        )
    )


@pytest.mark.parametrize(
    'kind', ['RepeatAugDataset', 'CheckedRepeatAugDataset']
)
@pytest.mark.parametrize('wrapper', [None, 'RepeatDataset', 'ConcatDataset'])
def test_repeated_clips_count(train, videos, wrapper, kind):
    dataset = repeated(videos, 3, kind)
    if wrapper == 'RepeatDataset':
        dataset = dict(type=wrapper, dataset=dataset, times=1)
    elif wrapper == 'ConcatDataset':
        dataset = dict(type=wrapper, datasets=[dataset] * 2)
    scaled = train(
        4,
        (),
        train_dataloader=dict(
            batch_size=4,
            num_workers=0,
            dataset=dataset,
            sampler=dict(type='DefaultSampler'),
            collate_fn=dict(type='repeat_pseudo_collate'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        auto_scale_lr=dict(enable=True, base_batch_size=24),
    )
    assert scaled.runner.model.clips == 12
    assert set(scaled.rates) == {LR / 2}


def test_repeats_that_differ_are_refused(train, videos):
    datasets = [repeated(videos, 2), repeated(videos, 3)]
    assert all(isinstance(dataset, BaseDataset) for dataset in datasets)
    with pytest.raises(ValueError, match=r'one num_repeats .*, got \[2, 3\]'):
        train(
            4,
            (),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                dataset=dict(type='ConcatDataset', datasets=datasets),
                sampler=dict(type='DefaultSampler'),
                collate_fn=dict(type='repeat_pseudo_collate'),
            ),
            auto_scale_lr=dict(enable=True, base_batch_size=24),
        )
