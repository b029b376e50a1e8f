"""Runs draw what their keys say, with real runners on clips in memory."""

import copy

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import FlexibleRunner, Runner
from noisy_clips import NoisyClips
from small_models import small_recognizer

from mmvideomamba.models import sample_draws

SIZE = 6
DATASET = dict(type=NoisyClips.__name__, size=SIZE)


class Seen(Hook):
    """Keeps what a run trained on, and what it ended with."""

    def __init__(self):
        self.clips, self.losses = [], []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.clips += [float(clip.sum()) for clip in data_batch['inputs']]
        self.losses.append(outputs['loss'].item())

    def after_train(self, runner):
        self.weights = copy.deepcopy(runner.model.state_dict())


BY_EPOCH = dict(by_epoch=True, max_epochs=2)
BY_ITERATION = dict(by_epoch=False, max_iters=6)


@pytest.fixture(autouse=True)
def one_thread():
    """Threads take longer to start than these clips to compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def train(tmp_path):
    """Train; return what was seen."""
    numbers = iter(range(100))

    def run(
        train_cfg=BY_EPOCH,
        seed=0,
        num_workers=0,
        hooks=(),
        runner_type=Runner,
        **changes,
    ):
        name = f'{tmp_path.name}_{next(numbers)}'
        by_epoch = train_cfg['by_epoch']
        model = small_recognizer(
            num_classes=SIZE, num_layers=2, drop_path_rate=0.4, drop_rate=0.1
        )
        model['cls_head']['dropout_ratio'] = 0.5
        model['data_preprocessor']['blending'] = dict(
            type='RandomBatchAugment',
            augments=[
                dict(type='MixupBlending', num_classes=SIZE),
                dict(type='CutmixBlending', num_classes=SIZE),
            ],
        )
        sampler = 'DefaultSampler' if by_epoch else 'InfiniteSampler'
        config = dict(
            default_scope='mmaction',
            work_dir=str(tmp_path / name),
            experiment_name=name,
            model=model,
            train_dataloader=dict(
                batch_size=2,
                num_workers=num_workers,
                sampler=dict(type=sampler),
                dataset=DATASET,
            ),
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-2)),
            default_hooks=dict(
                logger=None,
                checkpoint=dict(
                    type='CheckpointHook',
                    interval=1 if by_epoch else 3,
                    by_epoch=by_epoch,
                ),
                sample_randomness=dict(type='SampleRandomnessHook'),
            ),
            env_cfg=dict(dist_cfg=dict(backend='gloo')),
            randomness=dict(seed=seed),
            train_cfg=train_cfg,
        )
        runner = runner_type.from_cfg(dict(config, **changes))
        seen = Seen()
        for hook in (seen, *hooks):
            runner.register_hook(hook)
        runner.train()
        seen.work_dir, seen.seed = tmp_path / name, runner.seed
        return seen

    return run


def assert_goes_on(resumed, whole, clips):
    """A resumed run is the end of the whole, to the bit."""
    assert resumed.clips == whole.clips[clips:]
    assert resumed.losses == whole.losses[clips // 2 :]
    assert resumed.weights.keys() == whole.weights.keys()
    for name, weight in whole.weights.items():
        assert torch.equal(resumed.weights[name], weight), name


@pytest.mark.parametrize(
    'runner_type, seed', [(Runner, None), (FlexibleRunner, 0)]
)
def test_a_run_by_epochs_is_resumed_to_the_bit(train, seed, runner_type):
    whole = train(seed=seed, runner_type=runner_type)
    # Other numbers in every epoch.
    assert len(set(whole.clips)) == 2 * SIZE
    resumed = train(
        seed=seed,
        resume=True,
        load_from=str(whole.work_dir / 'epoch_1.pth'),
        num_workers=2,
        runner_type=runner_type,
    )
    assert resumed.seed == whole.seed
    assert_goes_on(resumed, whole, SIZE)


def test_a_run_by_iterations_is_resumed_to_the_bit(train):
    whole = train(BY_ITERATION, seed=None)
    assert len(set(whole.clips)) == 2 * SIZE
    resumed = train(
        BY_ITERATION,
        seed=None,
        num_workers=2,
        resume=True,
        load_from=str(whole.work_dir / 'iter_3.pth'),
    )
    assert_goes_on(resumed, whole, SIZE)


def test_a_samplers_own_seed_stays(train):
    sampler = dict(type='DefaultSampler', seed=3)
    loader = dict(
        batch_size=2,
        num_workers=0,
        sampler=sampler,
        dataset=DATASET,
    )
    one, other = (
        train(dict(by_epoch=True, max_epochs=1), seed, train_dataloader=loader)
        for seed in (0, 1)
    )
    # The number of a clip is what its noise is added to.
    orders = [
        [round(clip / 12288 - 0.5) for clip in seen.clips]
        for seen in (one, other)
    ]
    assert orders[0] == orders[1]
    assert not set(one.clips) & set(other.clips)


class Averaging(Hook):
    """Two forward passes in training mode outside of an iteration."""

    def after_train_epoch(self, runner):
        clips = torch.ones(4, 3, 4, 32, 32)
        backbone = runner.model.backbone.train()
        self.features = [backbone(clips) for _ in range(2)]


def test_models_draw_from_torch_outside_of_iterations(train):
    averaging = Averaging()
    train(dict(by_epoch=True, max_epochs=1), hooks=[averaging])
    assert not sample_draws.active
    assert not torch.equal(*averaging.features)


def test_every_validation_reads_the_same_clips(train):
    class Validated(Hook):
        def __init__(self):
            self.sums = []

        def after_val_iter(self, runner, batch_idx, data_batch, outputs):
            self.sums += [float(c.sum()) for c in data_batch['inputs']]

    seen = []
    for num_workers in (0, 2):
        validated = Validated()
        train(
            dict(by_epoch=True, max_epochs=2),
            hooks=[validated],
            val_dataloader=dict(
                batch_size=2,
                num_workers=num_workers,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=DATASET,
            ),
            val_evaluator=dict(type='AccMetric'),
            val_cfg=dict(),
        )
        seen += [validated.sums[:SIZE], validated.sums[SIZE:]]
    assert len(set(seen[0])) == SIZE and seen == [seen[0]] * 4
