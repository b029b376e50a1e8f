"""tools/analysis_tools/benchmark_scan.py, run as a user runs it."""

import json

import pytest
from tool_runner import assert_refused, run_tool

SCRIPT = 'analysis_tools/benchmark_scan.py'
SMALL = (
    *('--lengths', 9, '--channels', 32, '--turns', 3),
    *('--engines', 'cpu', 'reference'),
)


def test_every_engine_gets_a_row_for_each_pass(capsys):
    run_tool(SCRIPT, *SMALL, '--json')
    report = json.loads(capsys.readouterr().out)
    rate = report['machine']['exps_per_second']
    rows = report['results']
    references = [row for row in rows if row['engine'] == 'reference']
    assert {(row['work'], row['dtype']) for row in references} == {
        (work, dtype)
        for work in ('forward', 'forward+backward')
        for dtype in ('float32', 'bfloat16')
    }
    for row in references:
        itself = row['speedups']['reference']
        assert itself == dict(median=1, middle_half=[1, 1])
    for row in rows:
        assert row['turns'] == 3
        # mamba-ssm does not run on a CPU.
        assert row['speedups']['mamba-ssm-twice'] is None
        passes = 1 if row['work'] == 'forward' else 2
        floor = 1e3 * passes * 2 * 9 * 32 * 16 / rate
        assert row['times_floor'] == pytest.approx(row['milliseconds'] / floor)


def test_the_table_names_what_sits_out_and_why(capsys):
    run_tool(SCRIPT, *SMALL[:6], '--dtypes', 'float32')
    said = capsys.readouterr()
    assert '| reference ' in said.out
    assert '| x reference | x mamba-ssm-twice |' in ' '.join(said.out.split())
    for name in ('mamba_ssm', 'mamba-ssm-twice'):
        reason = 'it runs on cuda tensors, not on cpu'
        assert f'{name}, forward: {reason}' in said.err


def test_bad_arguments_are_refused(capsys):
    assert_refused(capsys, 'start at 1', SCRIPT, '--lengths', '0')
