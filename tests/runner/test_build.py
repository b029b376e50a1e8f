"""The runner that a config asks for is the one that is built."""

import itertools

import pytest
import torch
from mmaction.registry import METRICS
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import FlexibleRunner, Runner

from mmvideomamba.registry import MODELS, RUNNERS
from mmvideomamba.runner import build_runner

FSDP = dict(
    runner_type='FlexibleRunner',
    launcher='pytorch',
    strategy=dict(type='FSDPStrategy', state_dict_cfg='full'),
)
NUMBERS = itertools.count()


@MODELS.register_module()
class OneWeight(BaseModel):
    def __init__(self, data_preprocessor=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, mode):
        if mode == 'predict':
            return [None]
        return dict(loss=self.weight.square().sum())


@METRICS.register_module()
class Constant(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return dict(a=1)


@RUNNERS.register_module()
class MyRunner(Runner):
    pass


@pytest.fixture
def config(tmp_path):
    return Config(
        dict(
            default_scope='mmaction',
            model=dict(type='OneWeight'),
            work_dir=str(tmp_path),
            experiment_name=f'build_{next(NUMBERS)}',
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                dataset=[dict(inputs=1), dict(inputs=2)],
                sampler=dict(type='DefaultSampler'),
                collate_fn=dict(type='pseudo_collate'),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=1),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            default_hooks=dict(logger=None),
            env_cfg=dict(dist_cfg=dict(backend='nccl')),
            launcher='none',
            log_level='ERROR',
        )
    )


@pytest.mark.parametrize(
    'settings, runner_type',
    [
        (dict(), Runner),
        (dict(runner_type='Runner'), Runner),
        (dict(runner_type='FlexibleRunner'), FlexibleRunner),
        (
            dict(
                runner_type='mmengine.FlexibleRunner',
                strategy=dict(type='SingleDeviceStrategy'),
            ),
            FlexibleRunner,
        ),
        (dict(runner_type='MyRunner'), MyRunner),
        (dict(runner_type='MyRunner', compile=False), MyRunner),
    ],
)
def test_the_named_runner_trains(config, settings, runner_type):
    runner = build_runner(Config({**config, **settings}))
    assert type(runner) is runner_type
    runner.train()
    assert runner.model.weight.item() == pytest.approx(0.8)


@pytest.mark.parametrize(
    'settings, message',
    [
        (
            dict(runner_type='FlexibelRunner'),
            "unknown runner_type 'FlexibelRunner', .*'Runner'.*'MyRunner'",
        ),
        (
            dict(
                runner_type='FlexibleRunner',
                strategy=dict(type='NoSuchThing'),
            ),
            "unknown strategy.type 'NoSuchThing', .*'DDPStrategy'",
        ),
        (dict(strategy=dict(type='NoSuchThing')), 'unknown strategy.type'),
        (
            dict(runner_type='FlexibleRunner', strategy=dict()),
            'unknown strategy.type None',
        ),
        (
            dict(runner_type='FlexibleRunner', strategy='DDPStrategy'),
            r"expected strategy=dict\(type='NAME'\), got 'DDPStrategy'",
        ),
        (
            dict(
                runner_type='FlexibleRunner',
                strategy=dict(type='FSDPStrategy'),
            ),
            "strategy.type='FSDPStrategy' is for several processes: start",
        ),
        (
            dict(FSDP, strategy=dict(type='FSDPStrategy')),
            "state_dict_cfg='local' saves shards",
        ),
        (
            dict(FSDP, optim_wrapper=dict(clip_grad=dict(max_norm=1.0))),
            'by the norm of its own shard: set optim_wrapper.clip_grad=None',
        ),
        (
            dict(strategy=dict(type='DDPStrategy')),
            "add runner_type='FlexibleRunner', or remove strategy",
        ),
        (
            dict(runner_type='FlexibleRunner', compile=True),
            "runner_type='FlexibleRunner' does not read compile: remove it",
        ),
        (
            dict(runner_type='FlexibleRunner', sync_bn='torch'),
            'does not read sync_bn: make it strategy.sync_bn',
        ),
    ],
)
def test_what_would_be_ignored_is_refused(config, settings, message):
    with pytest.raises(ValueError, match=message):
        build_runner(Config({**config, **settings}))


@pytest.mark.parametrize('runner_type', ['Runner', 'FlexibleRunner'])
def test_checkpoints_count_the_epochs_that_are_over(
    config, runner_type, tmp_path
):
    # A new best has mmengine write epoch_1.pth anew, after the validation.
    config.update(
        runner_type=runner_type,
        default_hooks=dict(
            logger=None,
            checkpoint=dict(
                type='CheckpointHook', save_best='a', rule='greater'
            ),
        ),
        val_dataloader=config['train_dataloader'],
        val_evaluator=dict(type='Constant'),
        val_cfg=dict(),
    )
    build_runner(config).train()
    for name in ('epoch_1', 'best_a_epoch_1'):
        meta = torch.load(tmp_path / f'{name}.pth')['meta']
        assert (meta['epoch'], meta['iter']) == (1, 1), name


@pytest.mark.parametrize('kind', ['Runner', 'FlexibleRunner'])
def test_none_switches_off_any_default_hook(config, kind):
    config.runner_type = kind
    hooks = dict(
        sample_randomness=dict(type='SampleRandomnessHook'),
        preemption=dict(type='PreemptionHook'),
        logger=None,
    )
    config.default_hooks = hooks
    on = {type(hook).__name__ for hook in build_runner(config).hooks}
    config.default_hooks = dict(hooks, sample_randomness=None)
    config.experiment_name += '_off'
    off = {type(hook).__name__ for hook in build_runner(config).hooks}
    assert on - off == {'SampleRandomnessHook'} and off < on
    assert 'LoggerHook' not in on
