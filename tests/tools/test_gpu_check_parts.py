"""The parts of tools/gpu_check.py, rehearsed without a GPU."""

import json
from types import SimpleNamespace

import pytest
import torch
from test_gpu_check import (  # noqa: F401  # a fixture
    ABOUT,
    import_part,
    tools_on_path,
)


@pytest.fixture
def bench(interpreted_triton, installed, monkeypatch):
    from mmvideomamba.ops import mamba_ssm

    monkeypatch.setattr(mamba_ssm, 'why_not', lambda device_type: None)
    return import_part('bench').Bench(dry=True)


@pytest.fixture
def launches_nothing(monkeypatch):
    """Kernels leave what is in memory: what calls them runs all the same."""
    from mmvideomamba.ops.triton.conv import conv_kernel

    def launch(kernel, grid):
        return lambda *args, **options: None

    monkeypatch.setattr(type(conv_kernel), '__getitem__', launch)
    # Numbers that happen to be there may be NaN, or differ.
    monkeypatch.setattr(torch, 'equal', lambda *_: True)


def rehearse(part, bench):
    records = list(import_part('__main__').PARTS[part](bench))
    json.dumps(records)
    return records


def test_the_kernels_are_checked(bench, monkeypatch):
    kernels = import_part('kernels')
    cases = [kernels.Case(1, torch.float32, whole=True, K=1)]
    records = list(kernels.check_operators(bench, cases))
    operators = [record['operator'] for record in records]
    assert operators == ['scan', 'conv', 'inner']
    assert all(record['ok'] and record['repeat'] for record in records)

    def wrong(bench, case):
        return dict(out=float('nan'), grads=dict(u=0.0), repeat=True)

    for name in ('conv', 'inner'):
        monkeypatch.setitem(kernels.CHECKS, name, wrong)
    with pytest.raises(RuntimeError, match='tolerance .*: conv float32, inn'):
        list(kernels.check_operators(bench, cases))


@pytest.mark.parametrize(
    'part, columns',
    [
        ('ceilings', {'copy_TBps'}),
        ('kernels', {'forward_ms', 'conv_backward_ms', 'kernels'}),
        ('mamba_ssm_twice', {'name', 'tokens', 'forward_ms'}),
        ('block', {'both_ms', 'graph_wall_ms', 'graph_equals_eager'}),
        ('products', {'in_proj', 'dt_dW_split'}),
        ('models', {'model', 'clips_per_second', 'memory_per_clip_MB'}),
        ('memory', {'model', 'frames', 'memory_MB'}),
        ('growth', {'model', 'frames', 'ms'}),
    ],
)
def test_parts_that_measure(
    bench, launches_nothing, monkeypatch, part, columns
):
    models = import_part('models')
    monkeypatch.setattr(models, 'COMPARED', models.COMPARED[:2])
    for frames in ('MEMORY_FRAMES', 'GROWTH_FRAMES'):
        monkeypatch.setattr(models, frames, (8,))
    assert columns <= set(rehearse(part, bench)[0])


def test_the_adapter_is_checked_and_trains(bench):
    *checked, trained = rehearse('mamba_ssm', bench)
    asked = {(r['operator'], r['dtype'], r['directions']) for r in checked}
    assert len(asked) == 3 * 3 * 4 and all(r['ok'] for r in checked)
    assert trained['losses'][-1] < trained['losses'][0]


def test_without_mamba_ssm_its_parts_say_why(interpreted_triton):
    from mmvideomamba.ops import mamba_ssm

    if mamba_ssm.selective_scan_fn.why_not() is None:
        pytest.skip('mamba-ssm is installed')
    bench = import_part('bench').Bench(dry=True)
    for part in ('mamba_ssm_twice', 'mamba_ssm'):
        with pytest.raises(import_part('skip').Skip, match='cannot be impor'):
            rehearse(part, bench)


def test_a_batch_that_does_not_fit_is_halved(monkeypatch):
    models = import_part('models')

    class Workload:
        def __init__(self, clips):
            self.clips = clips

        def training(self, dtype):
            if self.clips > 16:
                raise torch.OutOfMemoryError('CUDA out of memory')

    monkeypatch.setattr(
        models, 'build_workload', lambda bench, name, frames, n: Workload(n)
    )
    bench = import_part('bench').Bench(dry=True)
    bench.dry = False
    for name, value in (
        ('free', lambda: None),
        ('memory_MB', lambda call: 32.0),
        ('median_ms', lambda call, calls: 4.0),
    ):
        monkeypatch.setattr(bench, name, value)

    def measure(batch):
        return models.measure_model(bench, 'swin-t', 32, 'training', batch)

    *refused, found = measure(64)
    assert [r['remark'] for r in refused] == [
        'out of memory; taking 32',
        'out of memory; taking 16',
    ]
    assert (found['clips'], found['clips_per_second']) == (16, 4000.0)
    assert found['memory_per_clip_MB'] == 2.0
    monkeypatch.setattr(Workload, '__init__', lambda self, _: None)
    monkeypatch.setattr(Workload, 'clips', 17, raising=False)
    with pytest.raises(RuntimeError, match='not even one clip fits'):
        list(measure(2))


@pytest.mark.parametrize(
    'capability, skips', [((7, 5), True), ((8, 0), False)]
)
def test_on_a_t4_what_needs_bfloat16_is_skipped(
    monkeypatch, capability, skips, tmp_path
):
    main = import_part('__main__')
    monkeypatch.setattr(
        torch.cuda, 'get_device_capability', lambda: capability
    )
    monkeypatch.setitem(main.PARTS, 'kernels', lambda bench: iter([{}]))
    journal, about = str(tmp_path / 'j'), json.dumps(ABOUT)
    args = SimpleNamespace(
        part='kernels', dry=False, journal=journal, about=about
    )
    outcome = main.run_part(args)
    skipped = dict(status='skipped', reason='this GPU has no bfloat16')
    assert outcome == (skipped if skips else dict(status='passed'))


def test_processes_share_gradients(bench, tmp_path):
    import torch.distributed as dist

    two_gpus = import_part('two_gpus')
    store = dist.FileStore(str(tmp_path / 'store'), 1)
    dist.init_process_group('gloo', store=store, rank=0, world_size=1)
    try:
        found = two_gpus.compare_gradients(bench)
    finally:
        dist.destroy_process_group()
    assert found['processes'] == 1 and len(found['differences']) == 10
    assert max(found['differences'].values()) <= two_gpus.TOLERANCE


def test_gradients_that_differ_between_gpus_are_an_error(bench, monkeypatch):
    two_gpus = import_part('two_gpus')
    printed = json.dumps(dict(processes=2, differences=dict(D=0.1)))
    monkeypatch.setattr(two_gpus, 'run', lambda *_: f'a warning\n{printed}')
    with pytest.raises(RuntimeError, match='gradients differ by 1.0e-01'):
        rehearse('two_gpus', bench)
    alone = SimpleNamespace(dry=False)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    with pytest.raises(import_part('skip').Skip, match='two GPUs are needed'):
        rehearse('two_gpus', alone)


@pytest.mark.parametrize(
    'line, passes',
    [
        ('PASSED tests/ops/test_triton.py::test_a[triton-float32]', True),
        ('PASSED tests/ops/test_triton.py::test_a[mamba_ssm-float32]', False),
        ('SKIPPED [3] tests/ops/test_triton.py: [triton] no GPU', False),
    ],
)
def test_tests_that_all_skip_themselves_are_no_check(
    monkeypatch, line, passes
):
    tests = import_part('tests')
    monkeypatch.setattr(tests, 'run', lambda *_: f'{line}\nin all')
    ran = tests.run_tests(SimpleNamespace(dry=False))
    if passes:
        assert list(ran) == [dict(summary='in all')]
    else:
        with pytest.raises(RuntimeError, match='no test of the Triton kernel'):
            list(ran)
