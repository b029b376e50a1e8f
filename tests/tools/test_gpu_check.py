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
