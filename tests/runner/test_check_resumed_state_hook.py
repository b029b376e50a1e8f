"""Real states come back as they are; others are refused in one line."""

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import FlexibleRunner, Runner
from small_runs import SmallNet, small_runner, weights_of

from mmvideomamba.checkpoints.run_state import fit_optim_wrapper

RUNNERS = pytest.mark.parametrize('runner_type', [Runner, FlexibleRunner])


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """What a run of two epochs saved after the first."""
    folder = tmp_path_factory.mktemp('run')
    checkpoint = dict(type='CheckpointHook', interval=1)
    hooks = dict(logger=None, checkpoint=checkpoint)
    small_runner(folder, default_hooks=hooks).train()
    return torch.load(folder / 'epoch_1.pth')


def resume(tmp_path, content, runner_type=Runner, **changes):
    path = tmp_path / 'epoch_1.pth'
    torch.save(content, path)
    runner = small_runner(
        tmp_path / 'next',
        runner_type,
        load_from=str(path),
        resume=True,
        **changes,
    )
    runner.train()
    return runner


@RUNNERS
def test_a_real_state_goes_on_to_the_bit(tmp_path, saved, runner_type):
    whole = small_runner(tmp_path / 'whole', runner_type)
    whole.train()
    runner = resume(tmp_path, saved, runner_type)
    assert torch.equal(weights_of(runner), weights_of(whole))


def test_settings_are_the_configs_and_numbers_the_files(tmp_path, saved):
    group = saved['optimizer']['param_groups'][0]
    saved['optimizer']['param_groups'][0] = dict(
        group, fused=True, foreach=True, capturable=True, lr=0.003
    )
    runner = resume(
        tmp_path,
        saved,
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1, fused=False)),
        param_scheduler=None,
    )
    (group,) = runner.optim_wrapper.param_groups
    assert group['lr'] == 0.003
    assert (group['fused'], group['capturable']) == (False, False)


class TwoSteps(SmallNet):
    def train_step(self, data, optim_wrapper):
        loss = self(**self.data_preprocessor(data), mode='loss')['loss']
        optim_wrapper['a'].optimizer.zero_grad()
        optim_wrapper['b'].optimizer.zero_grad()
        loss.backward()
        optim_wrapper['a'].optimizer.step()
        optim_wrapper['b'].optimizer.step()
        return dict(loss=loss)


def two_optimizers(model):
    wrappers = {
        name: OptimWrapper(torch.optim.AdamW([parameter], lr=0.01))
        for name, parameter in zip('ab', model.parameters())
    }
    return dict(model=model, optim_wrapper=OptimWrapperDict(**wrappers))


def test_several_optimizers_go_on(tmp_path):
    whole = small_runner(
        tmp_path / 'whole',
        param_scheduler=None,
        default_hooks=dict(
            logger=None, checkpoint=dict(type='CheckpointHook', interval=1)
        ),
        **two_optimizers(TwoSteps()),
    )
    whole.train()
    content = torch.load(tmp_path / 'whole' / 'epoch_1.pth')
    runner = resume(
        tmp_path, content, param_scheduler=None, **two_optimizers(TwoSteps())
    )
    assert torch.equal(weights_of(runner), weights_of(whole))
    content['optimizer']['c'] = content['optimizer'].pop('b')
    with pytest.raises(ValueError, match=r"optimizer of \['a', 'b'\]"):
        resume(
            tmp_path,
            content,
            param_scheduler=None,
            **two_optimizers(TwoSteps()),
        )


class ScalingWrapper(OptimWrapper):
    """Has the loss scaler that AmpOptimWrapper has on GPUs."""

    def __init__(self, optimizer):
        super().__init__(optimizer)
        self.loss_scaler = torch.amp.GradScaler('cpu', growth_factor=3.0)

    def state_dict(self):
        scaler = self.loss_scaler.state_dict()
        return dict(super().state_dict(), loss_scaler=scaler)

    def load_state_dict(self, state_dict):
        fitted = fit_optim_wrapper(state_dict, self)
        self.loss_scaler.load_state_dict(fitted.pop('loss_scaler'))
        super().load_state_dict(fitted)


@pytest.mark.parametrize('scale', [1024.0, -1.0, float('nan'), 'x', None])
def test_the_scale_of_a_loss_is_the_files(scale):
    model = SmallNet()
    wrapper = ScalingWrapper(torch.optim.SGD(model.parameters(), lr=1))
    state = wrapper.state_dict()
    state['loss_scaler'].update(scale=scale, growth_factor=7.0)
    if scale == 1024.0:
        wrapper.load_state_dict(state)
        loaded = wrapper.loss_scaler.state_dict()
        assert (loaded['scale'], loaded['growth_factor']) == (1024.0, 3.0)
    else:
        with pytest.raises(ValueError, match=r'loss_scaler\.scale'):
            wrapper.load_state_dict(state)


def put(content, path, value):
    *parents, last = path
    for key in parents:
        content = content[key]
    content[last] = value


MOMENT = ('optimizer', 'state', 0, 'exp_avg')
SQUARE = ('optimizer', 'state', 0, 'exp_avg_sq')
NOTES = ('message_hub', 'runtime_info')
REFUSED = {
    'a small moment': (MOMENT, torch.ones(3)),
    'a moment that repeats one number': (MOMENT, torch.ones(1).expand(3)),
    'a moment that is NaN': (MOMENT, torch.full((5,), float('nan'))),
    'a negative square': (SQUARE, -torch.ones(5)),
    'a moment that is a text': (MOMENT, 'x'),
    'a state of nobody': (('optimizer', 'state', 9), {}),
    'a rate that is a text': (('optimizer', 'param_groups', 0, 'lr'), 'x'),
    'a rate that is NaN': (
        ('optimizer', 'param_groups', 0, 'lr'),
        float('nan'),
    ),
    'a rate that is too large': (
        ('optimizer', 'param_groups', 0, 'lr'),
        2**2000,
    ),
    'three betas': (('optimizer', 'param_groups', 0, 'betas'), (0, 0, 0)),
    'a late epoch': (('meta', 'epoch'), 10**9),
    'a negative epoch': (('meta', 'epoch'), -5),
    'an epoch that is a text': (('meta', 'epoch'), '1'),
    'an epoch that is true': (('meta', 'epoch'), True),
    'half an iteration': (('meta', 'iter'), 0.5),
    'a seed that is a list': (('meta', 'seed'), [1]),
    'a seed that is too large': (('meta', 'seed'), 2**40),
    'a step that is a text': (('param_schedulers', 0, 'last_step'), 'x'),
    'other schedulers': (('param_schedulers',), []),
    'a hub that is a list': (('message_hub',), []),
    'kept checkpoints that are paths': ((*NOTES, 'keep_ckpt_ids'), ['../x']),
    'a best score that is NaN': ((*NOTES, 'best_score'), float('nan')),
    'averages of other shapes': (
        ('ema_state_dict',),
        {'module.weight': torch.ones(3)},
    ),
}


@RUNNERS
@pytest.mark.parametrize('name', REFUSED)
def test_odd_values_are_refused(tmp_path, saved, runner_type, name):
    content = torch.load(_copy(tmp_path, saved))
    put(content, *REFUSED[name])
    with pytest.raises(ValueError, match='cannot be resumed') as error:
        resume(tmp_path, content, runner_type)
    assert '\n' not in str(error.value)
    assert not list((tmp_path / 'next').glob('*.pth'))


def _copy(tmp_path, content):
    torch.save(content, tmp_path / 'copy.pth')
    return tmp_path / 'copy.pth'
