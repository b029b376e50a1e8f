"""What of tools/gpu_check.py and its parts shows without a GPU."""

import importlib
import json
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tool_runner import TOOLS

ABOUT = dict(gpu='G 1', date='d', commit='c', torch='t', triton='v')


def load(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def gpu_check():
    return load('gpu_check')


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_one_clear_line_without_a_gpu():
    done = subprocess.run(
        [sys.executable, TOOLS / 'gpu_check.py'],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == 'gpu_check: torch finds no CUDA device here\n'
    assert done.stdout == ''


def test_every_part_is_watched_and_all_fit_in_ten_minutes(gpu_check):
    listed = subprocess.run(
        [
            sys.executable,
            '-c',
            'import gpu_check_parts; print(*gpu_check_parts.PARTS)',
        ],
        cwd=TOOLS,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == ['machine', *gpu_check.PARTS]
    together = sum(part.seconds for part in gpu_check.PARTS.values())
    assert together < gpu_check.SECONDS < 600


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
import json, sys, time
name = sys.argv[1]
if name == 'memory':
    time.sleep(60)
if name == 'tests':
    raise ValueError('no')
outcomes = dict(
    machine=dict(status='passed', result=ABOUT),
    compile=dict(status='passed', result=dict(error=0.0)),
)
skipped = dict(status='skipped', reason='mmaction not installed')
print(json.dumps(outcomes.get(name, skipped)))
"""


def test_a_part_never_stops_the_others(
    gpu_check, monkeypatch, tmp_path, capsys
):
    script = tmp_path / 'parts.py'
    script.write_text(f'ABOUT = {ABOUT}\n{PARTS}')
    monkeypatch.setattr(gpu_check, 'SCRIPT', script)
    monkeypatch.setattr(gpu_check, 'SHORTEST', 0.1)
    monkeypatch.setitem(gpu_check.PARTS, 'memory', gpu_check.Part(0.5, 'm'))
    names = ('tests', 'memory', 'growth', 'compile')
    monkeypatch.setattr(
        sys, 'argv', ['', '--out', str(tmp_path / 'out'), '--parts', *names]
    )
    assert gpu_check.main() == 1
    said = capsys.readouterr().out
    assert '==> memory: m\n    failed in ' in said
    summary = ' '.join(said[said.index('# G 1') :].split())
    for row in (
        '| tests | failed | ',
        '| memory | failed | ',
        '| growth | skipped | ',
        '| compile | passed | ',
    ):
        assert row in summary
    assert 'tests failed: exited with status 1' in summary
    assert 'ValueError: no' in summary
    assert 'memory failed: ran out of time' in summary
    written = json.loads((tmp_path / 'out' / 'g-1.json').read_text())
    assert written['machine'] == ABOUT
    assert list(written['parts']) == list(names)
    assert (tmp_path / 'out' / 'g-1.md').read_text() in said


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_tests_that_all_skip_themselves_are_no_check(gpu_check):
    outcome = gpu_check.run_part('tests', 300)
    assert outcome['status'] == 'failed'
    assert 'no test of the Triton kernels ran' in outcome['reason']


def test_without_time_the_rest_is_left_out(gpu_check):
    outcome = gpu_check.run_part('tests', gpu_check.SHORTEST - 1)
    assert outcome == dict(status='skipped', reason='no time left', seconds=0)


@pytest.mark.parametrize(
    'part', ['scan', 'scan_batch', 'models', 'memory', 'growth']
)
def test_the_benchmarks_know_what_the_parts_ask_for(monkeypatch, part):
    parts = load('gpu_check_parts')
    monkeypatch.syspath_prepend(TOOLS / 'analysis_tools')

    def run(script, *options):
        options = ['cpu' if word == 'cuda' else word for word in options]
        monkeypatch.setattr(sys, 'argv', [script, *options])
        args = runpy.run_path(str(parts.ROOT / script))['parse_args']()
        assert args.dtypes == ['bf16']
        Path(args.json).write_text('{"results": [1]}')
        return 'a table\n'

    monkeypatch.setattr(parts, 'run', run)
    assert parts.PARTS[part]() == dict(results=[1], printed='a table')


def test_the_page_shows_what_the_benchmarks_print(gpu_check):
    scan = dict(results=[], printed='| reference | forward |')
    page = gpu_check.report(
        ABOUT,
        dict(
            tests=dict(status='failed', seconds=1.5, reason='a\nb\nlast'),
            scan=dict(status='passed', seconds=2.0, result=scan),
            compile=dict(status='passed', seconds=3.0, result=dict(error=0)),
        ),
    )
    assert page.startswith('# G 1\n')
    assert '| tests | failed | 1.5 | a ... last |' in ' '.join(page.split())
    assert '\n## scan: the scan of one clip' in page
    assert page.endswith('\n\n| reference | forward |\n')
