"""Trainings of a few numbers, by mmengine's runners, for tests of a second."""

import itertools

import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner

NUMBERS = itertools.count()


class SmallNet(BaseModel):
    """Two parameters and a loss that `scale` can make anything."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale
        self.weight = torch.nn.Parameter(torch.ones(5))
        self.bias = torch.nn.Parameter(torch.ones(2))

    def forward(self, inputs, mode, **others):
        if mode == 'predict':
            return [dict(score=self.weight.sum().item()) for _ in inputs]
        total = self.weight.square().sum() + self.bias.square().sum()
        return dict(loss=total * self.scale)


class Metric(BaseMetric):
    """Gives one value after the other, the last one again and again."""

    def __init__(self, values):
        super().__init__()
        self.values = list(values)

    def process(self, data_batch, data_samples):
        self.results += data_samples

    def compute_metrics(self, results):
        value = self.values[0]
        self.values = self.values[1:] or self.values
        return dict(acc=value)


class DoHook(Hook):
    """Does something in an iteration of the training, counted from 1."""

    priority = 'VERY_HIGH'

    def __init__(self, iteration, do):
        self.iteration, self.do = iteration, do

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        if runner.iter + 1 == self.iteration:
            self.do(runner, outputs)


def small_runner(work_dir, runner_type=Runner, scores=(), **changes):
    """A runner of 2 epochs of 4 iterations; `scores` are its validations."""
    loader = dict(
        batch_size=2,
        num_workers=0,
        dataset=[dict(inputs=torch.ones(2))] * 8,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='pseudo_collate'),
    )
    config = dict(
        default_scope='mmaction',
        model=SmallNet(),
        work_dir=str(work_dir),
        experiment_name=f'small_run_{next(NUMBERS)}',
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(
            optimizer=dict(type='AdamW', lr=0.01, fused=True),
        ),
        param_scheduler=[dict(type='LinearLR', start_factor=0.5, end=4)],
        default_hooks=dict(logger=None),
        log_level='ERROR',
    )
    if scores:
        config.update(
            val_dataloader=loader,
            val_cfg=dict(),
            val_evaluator=[Metric(scores)],
        )
    return runner_type(**{**config, **changes})


def weights_of(runner):
    model = getattr(runner.model, 'module', runner.model)
    return torch.cat([p.detach().flatten() for p in model.parameters()])
