"""tools/analysis_tools/benchmark_scan.py, run as a user runs it."""

import json

import pytest
from tool_runner import assert_refused, run_tool

SCRIPT = 'analysis_tools/benchmark_scan.py'
SMALL = ('--lengths', 9, '--channels', 32, '--rounds', 3)


def test_every_backend_gets_a_result_for_each_pass(tmp_path):
    path = tmp_path / 'scan.json'
    backends = ('--backends', 'cpu', 'reference')
    run_tool(SCRIPT, *SMALL, *backends, '--json', path)
    record = json.loads(path.read_text())
    assert record['benchmark'] == 'scan'
    rate = record['machine']['roofline']['exps_per_second']
    rows = [row for row in record['results'] if not row['error']]
    references = [row for row in rows if row['name'] == 'reference']
    assert {(row['pass'], row['dtype']) for row in references} == {
        (name, dtype)
        for name in ('forward', 'forward+backward')
        for dtype in ('fp32', 'bf16')
    }
    for row in references:
        assert row['ratios']['reference'] == dict(median=1, iqr=[1, 1])
    for row in rows:
        assert row['rounds'] == 3
        # mamba-ssm does not run on a CPU.
        assert list(row['ratios']) == ['reference']
        passes = 1 if row['pass'] == 'forward' else 2
        roofline = passes * 2 * 9 * 32 * 16 / rate
        assert row['roofline_ratio'] == pytest.approx(row['median'] / roofline)


def test_the_table_names_what_cannot_run_and_why(capsys):
    run_tool(SCRIPT, *SMALL, '--dtypes', 'fp32')
    said = capsys.readouterr()
    assert '| reference ' in said.out
    assert '| x reference | x mamba-ssm-twice |' in ' '.join(said.out.split())
    for name in ('mamba_ssm', 'mamba-ssm-twice'):
        reason = 'it runs on cuda tensors, not on cpu'
        assert f'{name}, forward: {reason}' in said.err


def test_bad_arguments_are_refused(capsys):
    assert_refused(
        capsys,
        'expected a whole number of at least 1',
        SCRIPT,
        '--lengths',
        '0',
    )
