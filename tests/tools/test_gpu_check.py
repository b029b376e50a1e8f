"""What of tools/gpu_check.py and its parts shows without a GPU."""

import contextlib
import importlib
import io
import json
import sys
import tarfile
import time
import zipfile
from types import SimpleNamespace

import pytest
import torch
from tool_runner import TOOLS

GB = 2**30
ABOUT = dict(gpu='G 1', date='d', commit='c', torch='t', triton='v')


@pytest.fixture(scope='module', autouse=True)
def tools_on_path():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        yield


@pytest.fixture(scope='module')
def gpu_check():
    return importlib.import_module('gpu_check')


def import_part(name):
    return importlib.import_module(f'gpu_check_parts.{name}')


def run_check(gpu_check, monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['gpu_check.py', *map(str, arguments)])
    return gpu_check.main()


# Machines that are refused.


def test_one_clear_line_where_it_cannot_run(gpu_check, monkeypatch, capsys):
    skipped = dict(status='skipped', reason='there is no GPU', seconds=1)
    monkeypatch.setattr(gpu_check, 'run_part', lambda *_: skipped)
    with pytest.raises(SystemExit) as exit_info:
        run_check(gpu_check, monkeypatch)
    assert exit_info.value.code == 'error: there is no GPU'
    assert capsys.readouterr().out == ''


@pytest.fixture
def imagined_gpu(monkeypatch, tmp_path):
    """A GPU that fits, is free and that `nvidia-smi` lists nobody on."""
    machine = import_part('machine')
    for name, value in (
        ('init', lambda: None),
        ('mem_get_info', lambda: (79 * GB, 80 * GB)),
        ('get_device_properties', lambda _: SimpleNamespace(name='G 1')),
    ):
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.version, 'cuda', '12.8')
    monkeypatch.setattr(
        machine.triton_backend, 'why_not', lambda device_type: None
    )
    monkeypatch.setenv('PATH', str(tmp_path))
    return machine


def test_a_gpu_that_fits_is_not_refused(imagined_gpu):
    assert imagined_gpu.why_not() is None


def test_each_machine_that_does_not_fit_has_a_line(imagined_gpu, monkeypatch):
    def old_driver():
        raise RuntimeError('The NVIDIA driver is too old\n(version 11040).')

    for owner, name, value, line in (
        (torch.version, 'cuda', None, 'was built without CUDA'),
        (torch.cuda, 'init', old_driver, 'driver is too old (version 11040)'),
        (
            imagined_gpu.triton_backend,
            'why_not',
            lambda _: 'Tesla X has\ncompute capability 7.0',
            'Tesla X has compute capability 7.0',
        ),
        (
            torch.cuda,
            'mem_get_info',
            lambda: (70 * GB, 80 * GB),
            'other programs use G 1 and 10.0 GiB of its memory; wait for them',
        ),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            reason = imagined_gpu.why_not()
        assert line in reason and '\n' not in reason


def test_who_else_uses_the_gpu_is_named(imagined_gpu, tmp_path):
    smi = tmp_path / 'nvidia-smi'
    smi.write_text('#!/bin/sh\necho "1234, python3"\n')
    smi.chmod(0o755)
    assert 'other programs (1234, python3) use G 1' in imagined_gpu.why_not()


# Watching parts.


def test_every_part_is_watched(gpu_check):
    assert list(import_part('__main__').PARTS) == list(gpu_check.PARTS)
    assert gpu_check.SECONDS < 600
    named = {*gpu_check.CHECKS, *gpu_check.AFTER_BUILD, *gpu_check.BARE}
    assert named <= {*gpu_check.PARTS}


HANG = """
import subprocess, sys, time
beat = 'import sys, time\\nwhile time.sleep(0.1) is None: print(flush=True)'
subprocess.Popen([sys.executable, '-c', beat], stdout=open(sys.argv[1], 'w'))
print('half way', file=sys.stderr, flush=True)
time.sleep(60)
"""


def test_what_hangs_is_killed_with_all_it_started(gpu_check, tmp_path):
    beats = tmp_path / 'beats'
    start = time.monotonic()
    outcome = gpu_check.watch([sys.executable, '-c', HANG, str(beats)], 3)
    assert time.monotonic() - start < 30
    reason = 'ran out of time after 3 s\nhalf way'
    assert outcome == dict(status='failed', reason=reason)
    counted = beats.stat().st_size
    time.sleep(0.5)
    assert beats.stat().st_size == counted > 0


@pytest.mark.parametrize(
    'code, outcome',
    [
        (
            'print(\'{"status": "passed", "result": {"x": 1}}\')',
            dict(status='passed', result=dict(x=1)),
        ),
        (
            'import os; print("some", "thing", flush=True); os._exit(3)',
            dict(status='failed', reason='exited with status 3'),
        ),
        (
            'raise SystemExit("out of luck")',
            dict(status='failed', reason='exited with status 1\nout of luck'),
        ),
    ],
    ids=['passes', 'crashes', 'complains'],
)
def test_what_becomes_of_a_part(gpu_check, code, outcome):
    assert gpu_check.watch([sys.executable, '-c', code], 30) == outcome


PARTS = """
import json, os, sys, time
name, *options = sys.argv[1:]
if name == 'machine':
    print(json.dumps(dict(status='passed', result=ABOUT)))
    sys.exit()
assert json.loads(options[2]) == ABOUT
with open(options[0], 'a') as file:
    about = {k: v for k, v in ABOUT.items() if k != 'date'}
    print(json.dumps(dict(part=name, x=1.0, **about)), file=file)
if name == 'memory':
    time.sleep(60)
if name == 'block':
    raise ValueError('no')
skipped = dict(status='skipped', reason='mmaction not installed')
outcomes = dict(correct=dict(status='passed'))
print(json.dumps(outcomes.get(name, skipped)))
"""


@pytest.fixture
def fake_parts(gpu_check, monkeypatch, tmp_path):
    script = tmp_path / 'parts.py'
    script.write_text(f'ABOUT = {ABOUT}\n{PARTS}')
    monkeypatch.setattr(gpu_check, 'COMMAND', [sys.executable, str(script)])
    monkeypatch.setattr(gpu_check, 'SHORTEST', 0.1)
    monkeypatch.setitem(gpu_check.PARTS, 'memory', gpu_check.Part(0.5, 'm'))


def test_a_part_never_stops_the_others(
    gpu_check, fake_parts, monkeypatch, tmp_path, capsys
):
    names = ('block', 'memory', 'growth', 'correct')
    out = tmp_path / 'out'
    assert run_check(gpu_check, monkeypatch, '--out', out, '--parts', *names)
    said = capsys.readouterr().out
    assert '==> memory: m\n    failed in ' in said
    summary = ' '.join(said[said.index('# G 1') :].split())
    for row in (
        '| block | failed | ',
        '| memory | failed | ',
        '| growth | skipped | ',
        '| correct | passed | ',
    ):
        assert row in summary
    assert 'block failed: exited with status 1' in summary
    assert 'ValueError: no' in summary
    assert 'memory failed: ran out of time' in summary
    assert said.endswith('gpu_check: failed: block, memory\n')
    assert (out / 'g-1.md').read_text() in said
    # What a killed part has found is there.
    lines = map(json.loads, (out / 'g-1.jsonl').read_text().splitlines())
    kept = [line for line in lines if line['part'] == 'memory']
    assert [line.get('status') for line in kept] == ['started', None, 'failed']
    assert all((line['torch'], line['triton']) == ('t', 'v') for line in kept)

    # A later run replaces what it runs again and completes the rest.
    again = ('--out', out, '--parts', 'growth')
    assert run_check(gpu_check, monkeypatch, *again)
    assert '| correct | passed | ' in ' '.join(capsys.readouterr().out.split())


def test_where_nothing_was_checked_it_has_failed(
    gpu_check, fake_parts, monkeypatch, tmp_path, capsys
):
    options = ('--out', tmp_path, '--parts', 'growth')
    assert run_check(gpu_check, monkeypatch, *options)
    assert 'no results of the kernels were checked' in capsys.readouterr().out
    options = ('--out', tmp_path, '--parts', 'correct')
    assert not run_check(gpu_check, monkeypatch, *options)


def test_without_time_the_rest_is_left_out(gpu_check):
    outcome = gpu_check.run_part('tests', gpu_check.SHORTEST - 1, [])
    assert outcome == dict(status='skipped', reason='no time left', seconds=0)


def test_what_needs_the_build_waits_for_it(gpu_check):
    queue = ['mamba_ssm_twice', 'block', 'mamba_ssm']
    assert gpu_check.next_part(queue, building=False) == 'mamba_ssm_twice'
    assert gpu_check.next_part(queue, building=True) == 'block'
    assert gpu_check.next_part(queue[::2], building=True) == 'mamba_ssm_twice'


def test_a_journal_tells_machines_and_torn_lines_apart(tmp_path):
    Journal = import_part('journal').Journal
    other = Journal(tmp_path / 'j', dict(ABOUT, torch='older'))
    ours = Journal(tmp_path / 'j', ABOUT)
    for journal in (other, ours):
        journal.add('block', status='started')
        journal.add('block', ms=1.0)
        journal.add('block', status='passed')
    ours.add('block', status='started')
    ours.add('block', ms=2.0)
    with open(tmp_path / 'j', 'a') as file:
        file.write('{"part": "blo')
    outcome, records = ours.read()['block']
    assert (outcome, records) == (dict(status='started'), [dict(ms=2.0)])
    # What follows a torn line is not torn.
    Journal(tmp_path / 'j', ABOUT).add('growth', ms=3.0)
    assert ours.read()['growth'].records == [dict(ms=3.0)]
    assert other.read()['block'].outcome == dict(status='passed')


def test_the_page_shows_all_records(gpu_check):
    found = gpu_check.Found
    page = gpu_check.report(
        ABOUT,
        dict(
            tests=found(
                dict(status='failed', seconds=1.5, reason='a\nb\nlast'), []
            ),
            kernels=found(
                dict(status='passed', seconds=2.0),
                [
                    dict(clips=64, ms=1.23456, kernels=dict(gate=[0.5, 1.0])),
                    dict(clips=8, ms=0.2, kernels={}),
                    dict(way='graph', losses=[1.0, 0.5]),
                ],
            ),
        ),
    )
    assert page.startswith('# G 1\n')
    words = ' '.join(page.split())
    assert '| tests | failed | 1.5 | a ... last |' in words
    assert '## kernels: scan' in words
    assert '| 64 | 1.235 | | 8 | 0.2 | - 64 1.23456' in words
    assert 'kernels: gate 0.5 x 1' in words
    assert '| graph | 1 x 0.5 |' in words


# What a bare machine is given.


def write_wheel(folder, name, tag='py3-none-any'):
    path = folder / f'{name}-1.0-{tag}.whl'
    about = f'{name}-1.0.dist-info'
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr(f'{name}.py', 'x = 1\n')
        metadata = f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n'
        file.writestr(f'{about}/METADATA', metadata)
        file.writestr(f'{about}/WHEEL', f'Wheel-Version: 1.0\nTag: {tag}\n')
        file.writestr(f'{about}/RECORD', '')


def test_wheels_are_installed_but_for_torch(tmp_path):
    install_wheels = import_part('baggage').install_wheels
    wheels, target = tmp_path / 'wheels', tmp_path / 'target'
    wheels.mkdir()
    with pytest.raises(ValueError, match='no wheels there'):
        install_wheels(wheels, str(target))
    for name in ('needed', 'torch'):
        write_wheel(wheels, name)
    install_wheels(wheels, str(target))
    assert (target / 'needed.py').exists()
    assert not (target / 'torch.py').exists()
    write_wheel(wheels, 'other', 'cp38-cp38-win32')
    with pytest.raises(ValueError) as info:
        install_wheels(wheels, str(target))
    line = str(info.value)
    assert '\n' not in line and 'for Python 3.' in line
    assert 'other-1.0-cp38-cp38-win32.whl is not a supported wheel' in line


SETUP = """
import os, sys
cc_flag = []
cc_flag.append("-gencode")
if True:
    cc_flag.append("arch=compute_90,code=sm_90")
assert os.environ['MAMBA_KEEP_CUDA_BUILD'] == 'TRUE'
with open(os.path.join(sys.argv[-1], 'NAME.txt'), 'w') as file:
    print(len(cc_flag), *sys.argv[1:-1], file=file)
"""


def write_sdist(folder, name, setup=SETUP):
    content = setup.replace('NAME', name).encode()
    with tarfile.open(folder / f'{name}-1.0.tar.gz', 'w:gz') as archive:
        member = tarfile.TarInfo(f'{name}-1.0/setup.py')
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def nvcc(monkeypatch, tmp_path):
    monkeypatch.setenv('CUDA_HOME', str(tmp_path / 'cuda'))
    (tmp_path / 'cuda' / 'bin').mkdir(parents=True)
    path = tmp_path / 'cuda' / 'bin' / 'nvcc'
    path.touch()
    return path


def test_mamba_ssm_is_built_for_the_gpu_that_is_here(nvcc, tmp_path):
    Build = import_part('baggage').Build
    write_sdist(tmp_path, 'causal_conv1d')
    nothing = Build(tmp_path, str(tmp_path))
    assert not nothing.running() and nothing.remark() == ''
    write_sdist(tmp_path, 'mamba_ssm')
    build = Build(tmp_path, str(tmp_path))
    assert build.running()
    assert build.remark() == '; its build has not finished'
    build.wait(60)
    assert not build.running() and build.remark() == ''
    for name in ('causal_conv1d', 'mamba_ssm'):
        text = (tmp_path / f'{name}.txt').read_text()
        assert text == '0 -q build --build-lib\n'
    build.close()


def test_a_build_that_fails_is_told(nvcc, tmp_path, monkeypatch):
    for name in ('causal_conv1d', 'mamba_ssm'):
        write_sdist(tmp_path, name, 'raise SystemExit("too old")')

    def remark():
        build = import_part('baggage').Build(tmp_path, str(tmp_path))
        build.wait(60)
        with contextlib.closing(build):
            return build.remark()

    assert remark() == '; its build failed: too old'
    nvcc.unlink()
    monkeypatch.setenv('PATH', str(tmp_path))
    assert remark().startswith('; its build failed: there is no nvcc')


# The parts themselves, rehearsed.


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
