"""tools/analysis_tools/benchmark_models.py, run as a user runs it."""

import json

import pytest
import torch
from tool_runner import assert_refused, run_tool

SCRIPT = 'analysis_tools/benchmark_models.py'
SMALL = ('--models', 'videomamba-t', '--passes', 'forward', '--repeats', 1)


def test_json_and_drawings_without_peers(tmp_path, capsys):
    out = ('--out', tmp_path / 'out', '--json')
    run_tool(SCRIPT, *SMALL, '--frames', 2, 4, *out)
    printed, progress = capsys.readouterr()
    record = json.loads(printed)
    assert record['machine']['device'] == 'cpu'
    assert [row['frames'] for row in record['results']] == [2, 2, 4, 4]
    assert record == json.loads((tmp_path / 'out/results.json').read_text())
    assert 'forward: turn 1/1' in progress
    for figure in ('costs', 'growth'):
        for suffix in ('.pdf', '.png'):
            path = (tmp_path / 'out' / figure).with_suffix(suffix)
            assert str(path) in progress and path.stat().st_size > 0


def test_a_table(capsys):
    run_tool(SCRIPT, *SMALL, '--frames', 2)
    table = capsys.readouterr().out
    assert '| VideoMamba-Ti 2f ' in table
    assert '| VideoMamba-Ti 2f, its matrix products alone ' in table


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is one')
def test_a_device_that_is_not_there(capsys):
    assert_refused(capsys, 'no CUDA device', SCRIPT, '--device', 'cuda')


def test_no_turns(capsys):
    assert_refused(capsys, 'start at 1', SCRIPT, '--repeats', 0)
