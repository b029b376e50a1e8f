"""tools/analysis_tools/benchmark_models.py, run as a user runs it."""

import json

import pytest
import torch
from tool_runner import assert_refused, run_tool

SCRIPT = 'analysis_tools/benchmark_models.py'
SMALL = ('--models', 'videomamba-t', '--passes', 'forward', '--rounds', 1)


def test_a_record_and_drawings_without_baselines(tmp_path, capsys):
    path = tmp_path / 'models.json'
    out = ('--out', tmp_path / 'out', '--json', path)
    run_tool(SCRIPT, *SMALL, '--frames', 2, 4, *out)
    printed, progress = capsys.readouterr()
    record = json.loads(path.read_text())
    assert record['benchmark'] == 'models'
    assert record['machine']['device'] == 'cpu'
    assert [row['frames'] for row in record['results']] == [2, 2, 4, 4]
    assert 'forward: round 1/1' in progress
    for figure in ('costs', 'growth'):
        for suffix in ('.pdf', '.png'):
            path = (tmp_path / 'out' / figure).with_suffix(suffix)
            assert str(path) in progress and path.stat().st_size > 0
    assert '| VideoMamba-Ti 2f ' in printed
    assert '| VideoMamba-Ti 4f, its matrix products alone ' in printed


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is one')
def test_a_device_that_is_not_there(capsys):
    assert_refused(capsys, 'no CUDA device', SCRIPT, '--device', 'cuda')


def test_no_rounds(capsys):
    assert_refused(
        capsys, 'expected a whole number of at least 1', SCRIPT, '--rounds', 0
    )


def test_fewer_than_no_busy_processes(capsys):
    assert_refused(capsys, 'must not be negative', SCRIPT, '--busy', 0, -1)
