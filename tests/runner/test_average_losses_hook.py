"""Losses of all processes in the log; two real ones in tests/tools."""

from types import SimpleNamespace

import pytest
import torch

from mmvideomamba.runner import AverageLossesHook, average_losses_hook


def after_iteration(outputs, clips=2, world_size=2):
    batch = dict(inputs=[None] * clips)
    runner = SimpleNamespace(world_size=world_size)
    AverageLossesHook().after_train_iter(runner, 0, batch, outputs)
    return outputs


@pytest.fixture
def with_another(monkeypatch):
    """Let another process have these values; it read as many clips."""

    def add(values, clips):
        def all_reduce(sums):
            assert len(sums) == len(values) + 1
            sums += torch.tensor([*values, 1.0]).double() * clips

        monkeypatch.setattr(average_losses_hook, 'all_reduce', all_reduce)

    return add


def test_values_are_averaged_over_clips(with_another):
    with_another([3.0, 0.0], clips=1)
    outputs = dict(loss=torch.tensor(1.5), top1=torch.tensor([0.75]), note='x')
    outputs = after_iteration(outputs, clips=2)
    assert outputs['loss'].item() == 2 and outputs['top1'].item() == 0.5
    assert outputs['note'] == 'x'


def test_a_loss_that_is_not_a_number_anywhere_is_none_everywhere(with_another):
    with_another([float('nan')], clips=2)
    assert after_iteration(dict(loss=torch.tensor(1.0)))['loss'].isnan()


def test_nothing_to_average():
    value = torch.tensor(0.1)
    assert after_iteration(dict(loss=value), world_size=1)['loss'] is value
    assert after_iteration(None) is None
    assert after_iteration(dict(note='x')) == dict(note='x')
