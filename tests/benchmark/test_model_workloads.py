"""The benchmark of models: what it counts, times and reports."""

import json
import os
import os.path as osp
import resource
import time

import pytest
import torch
from mmaction.models.backbones.vit_mae import Attention
from mmengine.registry import init_default_scope

from mmvideomamba.analysis.flops import count_complexity
from mmvideomamba.benchmark.benchmarked_models import (
    BENCHMARKED_MODELS,
    model_config,
)
from mmvideomamba.benchmark.busy_processes import busy_processes
from mmvideomamba.benchmark.fused_attention import (
    FusedAttention,
    fuse_attention,
)
from mmvideomamba.benchmark.matrix_products import MatrixProducts
from mmvideomamba.benchmark.memory import peak_memory
from mmvideomamba.benchmark.model_workloads import (
    Entry,
    ModelWorkload,
    build_workload,
    measure_models,
)
from mmvideomamba.models import VideoMamba
from mmvideomamba.registry import MODELS

TINY = dict(embed_dims=16, num_layers=2, d_state=4)
PER_CLIP = 'memory_per_clip'


def tiny_workload(name, frames, batch_size, device, num_layers=2):
    """Stands in for `build_workload`: a VideoMamba of 32 x 32 pixels."""
    if frames == 16:
        raise ValueError('too many frames\nfor this test')
    if frames == 32:
        os.abort()
    init_default_scope('mmaction')
    torch.manual_seed(0)
    backbone = dict(
        type='VideoMamba',
        arch=dict(TINY, num_layers=num_layers),
        img_size=32,
        num_frames=frames,
        with_cp=model_config(name, frames)['backbone'].get('with_cp', False),
    )
    head = dict(type='VideoMambaHead', num_classes=5, in_channels=16)
    model = MODELS.build(
        dict(type='Recognizer3D', backbone=backbone, cls_head=head)
    )
    clips = torch.randn(batch_size, 3, frames, 32, 32)
    return ModelWorkload(model.to(device), clips.to(device))


@pytest.mark.parametrize('position', ['head', None])
@pytest.mark.parametrize('batch_size', [1, 2])
def test_the_roofline_multiplies_what_the_model_multiplies(
    position, batch_size
):
    model = VideoMamba(
        arch=TINY, img_size=32, num_frames=4, cls_token_position=position
    )
    shape = (batch_size, 3, 4, 32, 32)
    cost = count_complexity(model, shape)
    operations = {'mm', 'addmm', 'convolution'}
    expected = sum(
        row.complete for row in cost.modules if row.operation in operations
    )
    # x_proj and dt_proj are inside of `mamba_inner`.
    tokens = batch_size * (2 * 2 * 2 + (position is not None))
    for layer in model.layers:
        x_proj, dt_proj = layer.mixer.x_proj, layer.mixer.dt_proj
        expected += tokens * (x_proj.numel() + dt_proj.numel())
    products = MatrixProducts(model, torch.zeros(shape))
    assert count_complexity(products, shape).complete == expected > 0


def test_memory_is_that_of_the_worst_moment():
    def call():
        a = torch.ones(1000)
        b = a + a
        del a
        c = b + b  # 2000 floats at most
        return c.sum()

    assert 8000 <= peak_memory(call, 'cpu') <= 8200


def test_memory_of_a_training_step_holds_gradients_and_moments():
    workload = tiny_workload('videomamba-s', 4, 1, 'cpu')
    parameters = sum(p.nbytes for p in workload.model.parameters())
    peak = peak_memory(lambda: workload.training('fp32'), 'cpu')
    assert peak > parameters
    assert workload.held_by_optimizer() >= 2 * parameters
    # Gradients are let go between steps.
    assert all(p.grad is None for p in workload.model.parameters())


def test_training_memory_is_linear_in_frames_and_less_with_cp():
    """A constant part are the gradients of the parameters."""

    def memory(name, frames):
        workload = tiny_workload(name, frames, 16, 'cpu', num_layers=8)
        cost = workload.memory('training', 'fp32')
        assert cost['memory'] > 16 * cost[PER_CLIP]
        return cost[PER_CLIP]

    short, middle, long = (memory('videomamba-s', t) for t in (12, 24, 48))
    assert long - middle == pytest.approx(2 * (middle - short), rel=0.1)
    assert memory('videomamba-s-cp', 48) < 0.7 * long


def test_the_results_are_complete_and_ready_for_json(capsys):
    entries = [
        Entry('videomamba-s', 4, 'fp32'),
        Entry('videomamba-s', 4, 'bf16'),
        Entry('videomamba-s', 8, 'fp32'),
        Entry('videomamba-s', 16, 'fp32'),
        Entry('videomamba-s', 32, 'fp32'),
    ]
    results = measure_models(
        entries,
        batch_size=2,
        rounds=2,
        build=tiny_workload,
    )
    assert json.loads(json.dumps(results))
    rows = [row for row in results if row['pass'] == 'forward']
    assert [row['name'] for row in rows] == [
        'VideoMamba-S 4f',
        'VideoMamba-S 4f, its matrix products alone',
        'VideoMamba-S 4f bf16',
        'VideoMamba-S 4f bf16, its matrix products alone',
        'VideoMamba-S 8f',
        'VideoMamba-S 8f, its matrix products alone',
        'VideoMamba-S 16f',
        'VideoMamba-S 32f',
    ]
    training = {row['name']: row for row in results[len(rows) :]}
    assert list(training) == [entry.name for entry in entries]
    ours, products, bf16, _, longer, _, refused, killed = rows
    for row in (ours, training[ours['name']]):
        assert row['ratios'][ours['name']]['median'] == 1
    assert (
        ours['paper_macs'] < products['complete_macs'] < ours['complete_macs']
    )
    assert bf16['parameters'] == ours['parameters']
    assert ours['clips_per_second'] == 2 / ours['median']
    assert longer['memory'] > ours['memory']
    held = 4 * ours['parameters'] * 2
    assert training[ours['name']]['memory'] > held + ours['memory']
    for row in (refused, training[refused['name']]):
        assert row['error'] == 'too many frames'
        assert row['median'] is row['memory'] is None
    assert 'ended with exit code -6' in killed['error']
    assert 'training: round 2/2' in capsys.readouterr().err


def test_other_processes_are_busy_while_a_model_is_timed():
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with busy_processes(2):
        time.sleep(0.3)
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert after - before > 0.1

    entries = [Entry('videomamba-s', 4, 'fp32', busy) for busy in (0, 1)]
    results = measure_models(
        entries, ['forward'], rounds=1, build=tiny_workload
    )
    assert [(row['name'], row['busy']) for row in results] == [
        ('VideoMamba-S 4f', 0),
        ('VideoMamba-S 4f, its matrix products alone', 0),
        ('VideoMamba-S 4f + 1 busy', 1),
    ]
    assert list(results[2]['ratios']) == ['VideoMamba-S 4f']


def test_every_model_is_built_for_its_frames_without_weights():
    for name, benchmarked in BENCHMARKED_MODELS.items():
        backbone = model_config(name, 24)['backbone']
        assert backbone.get('pretrained') is None
        if benchmarked.frames_key:
            assert backbone[benchmarked.frames_key] == 24


def test_fused_attention_is_the_same_attention():
    torch.manual_seed(0)
    attention = Attention(24, num_heads=3)
    for bias in (attention.q_bias, attention.v_bias):
        torch.nn.init.normal_(bias)
    tokens = torch.randn(2, 7, 24)
    expected = attention(tokens)
    fuse_attention(torch.nn.Sequential(attention))
    assert type(attention) is FusedAttention
    torch.testing.assert_close(attention(tokens), expected)


def test_a_host_without_configs_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr('mmaction.__file__', osp.join(tmp_path, '__init__.py'))
    with pytest.raises(FileNotFoundError, match='pip install mmaction2'):
        model_config('swin-t', 32)
    # VideoMamba needs nothing of it.
    assert model_config('videomamba-s', 16)['backbone']['arch'] == 'small'


def test_a_baseline_trains_in_bf16():
    """mmaction2's head counts hits in numpy, which has no bfloat16."""
    build_workload('vit-s-fused', 2, 1, 'cpu').training('bf16')
