"""A failed run ends, and leaves no weights that are not finite."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import FlexibleRunner, Runner
from small_runs import DoHook, small_runner, weights_of

from mmvideomamba.registry import OPTIM_WRAPPERS

LONG = dict(by_epoch=True, max_epochs=10)  # of 4 iterations


def spoil(runner, outputs):
    parameter = next(runner.model.parameters())
    with torch.no_grad():
        parameter[0] = float('nan')


def require_sound_files(folder):
    for path in folder.glob('*.pth'):
        for tensor in torch.load(path)['state_dict'].values():
            assert tensor.isfinite().all()


@pytest.mark.parametrize('runner_type', [Runner, FlexibleRunner])
@pytest.mark.parametrize('hooks', [[], [dict(type='EMAHook')]])
def test_weights_that_are_not_finite_end_the_run(tmp_path, runner_type, hooks):
    runner = small_runner(
        tmp_path,
        runner_type,
        scores=(0.5,),
        train_cfg=LONG,
        custom_hooks=[DoHook(10, spoil), *hooks],
        default_hooks=dict(
            logger=None,
            checkpoint=dict(
                type='CheckpointHook', interval=1, save_best='acc'
            ),
        ),
    )
    with pytest.raises(ValueError) as error:
        runner.train()
    assert runner.iter + 1 <= 20
    assert 'the training has failed' in str(error.value)
    assert "'weight'" in str(error.value)
    assert str(tmp_path / 'epoch_2.pth') in str(error.value)
    assert '\n' not in str(error.value)
    assert (tmp_path / 'epoch_2.pth').exists()
    require_sound_files(tmp_path)


def test_a_loss_that_diverges_ends_the_run(tmp_path):
    runner = small_runner(
        tmp_path,
        train_cfg=LONG,
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e30)),
    )
    with pytest.raises(ValueError, match='Last sound checkpoint: none'):
        runner.train()
    assert runner.iter <= 20
    assert not list(tmp_path.glob('*.pth'))


@OPTIM_WRAPPERS.register_module(force=True)
class SkippingWrapper(OptimWrapper):
    """Leaves out steps whose gradients are not finite, as a scaler does."""

    def step(self, **kwargs):
        gradients = [
            p.grad for g in self.optimizer.param_groups for p in g['params']
        ]
        if all(gradient.isfinite().all() for gradient in gradients):
            super().step(**kwargs)


def scaled(scale):
    def scale_loss(runner, outputs):
        runner.model.scale = scale

    return scale_loss


@pytest.mark.parametrize('bad', [1, 3])
def test_a_skipped_step_is_no_failure(tmp_path, bad):
    runner = small_runner(
        tmp_path,
        train_cfg=LONG,
        optim_wrapper=dict(
            type='SkippingWrapper', optimizer=dict(type='AdamW', lr=0.01)
        ),
        custom_hooks=[
            DoHook(3, scaled(float('inf'))),
            DoHook(3 + bad, scaled(1.0)),
        ],
    )
    runner.train()
    assert runner.iter == 40
    require_sound_files(tmp_path)


def test_steps_that_are_all_skipped_are_one(tmp_path):
    runner = small_runner(
        tmp_path,
        train_cfg=LONG,
        optim_wrapper=dict(
            type='SkippingWrapper', optimizer=dict(type='AdamW', lr=0.01)
        ),
        custom_hooks=[DoHook(5, scaled(float('nan')))],
    )
    with pytest.raises(ValueError, match='the last 10 losses'):
        runner.train()
    assert runner.iter < 30
    assert weights_of(runner).isfinite().all()


def spoil_moment(runner, outputs):
    optimizer = runner.optim_wrapper.optimizer
    next(iter(optimizer.state.values()))['exp_avg_sq'][0] = float('inf')


def test_moments_that_are_not_finite_are_not_saved(tmp_path):
    runner = small_runner(
        tmp_path, train_cfg=LONG, custom_hooks=[DoHook(7, spoil_moment)]
    )
    with pytest.raises(ValueError, match=r'optimizer\.0\.exp_avg_sq'):
        runner.train()
    assert not (tmp_path / 'epoch_2.pth').exists()


def test_large_weights_and_masks_are_sound(tmp_path):
    def enlarge(runner, outputs):
        with torch.no_grad():
            runner.model.weight.fill_(3e38)

    runner = small_runner(
        tmp_path,
        train_cfg=LONG,
        custom_hooks=[DoHook(40, enlarge)],
    )
    runner.model.register_buffer('mask', torch.tensor([-float('inf')]))
    again = copy.deepcopy(runner.model)
    runner.train()
    small_runner(
        tmp_path / 'b', model=again, load_from=str(tmp_path / 'epoch_10.pth')
    ).load_or_resume()
