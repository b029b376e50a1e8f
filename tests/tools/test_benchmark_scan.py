"""tools/analysis_tools/benchmark_scan.py, run as a user runs it."""

import json

from tool_runner import assert_refused, run_tool

SCRIPT = 'analysis_tools/benchmark_scan.py'
SMALL = (
    *('--lengths', 9, '--channels', 32, '--turns', 3),
    *('--engines', 'cpu', 'reference'),
)


def test_every_engine_gets_a_row_for_each_pass(capsys):
    run_tool(SCRIPT, *SMALL, '--json')
    report = json.loads(capsys.readouterr().out)
    assert report['machine']['bytes_per_second'] > 0
    rows = report['results']
    references = [row for row in rows if row['engine'] == 'reference']
    assert {(row['work'], row['dtype']) for row in references} == {
        (work, dtype)
        for work in ('forward', 'forward+backward')
        for dtype in ('float32', 'bfloat16')
    }
    assert all(row['ratio'] == 1 for row in references)
    assert all(row['turns'] == 3 for row in rows)


def test_the_table_names_what_sits_out_and_why(capsys):
    run_tool(SCRIPT, *SMALL[:6], '--dtypes', 'float32')
    said = capsys.readouterr()
    assert '| reference |' in said.out
    assert 'cuda' in said.err


def test_bad_arguments_are_refused(capsys):
    assert_refused(capsys, 'start at 1', SCRIPT, '--lengths', '0')
