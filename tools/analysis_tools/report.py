"""Print the paper's tables with what was measured here.

Looks for the test of each config in WORK_DIRS/NAME_OF_CONFIG, where
tools/test.py writes its results. "Published" is what the paper prints, also
for other models; "measured" comes from those logs and from nowhere else.

Example:
    python tools/analysis_tools/report.py work_dirs --tables 2 7
"""

import argparse
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'work_dirs',
        nargs='?',
        type=Path,
        default='work_dirs',
        help='folder of the work folders (default: %(default)s)',
    )
    parser.add_argument(
        '--tables',
        nargs='+',
        type=int,
        choices=range(2, 10),
        default=range(2, 10),
        metavar='NUMBER',
        help='which of the tables 2 to 9 (default: all); table 1 is made by '
        'temporal_consistency.py',
    )
    args = parser.parse_args()
    if not args.work_dirs.is_dir():
        parser.error(f'no folder {args.work_dirs}')
    return args


def main() -> None:
    args = parse_args()
    from mmvideomamba.analysis.paper_tables import TABLES, format_table

    tables = {number: TABLES[number] for number in args.tables}
    measured = {
        result.config: read_metrics(args.work_dirs / result.config)
        for table in tables.values()
        for _, results in table.rows
        for result in results
        if result.config
    }
    for number, table in tables.items():
        print(f'Table {number}. {table.title}\n')
        print(format_table(table, measured), end='\n\n')
    tested = [name for name, metrics in measured.items() if metrics]
    print(f'{len(tested)} of {len(measured)} configs tested here')


def read_metrics(work_dir: Path) -> dict:
    from mmvideomamba.analysis.training_log import read_test_metrics

    try:
        return read_test_metrics(work_dir)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        # Half a file, of a test that was cut off.
        print(f'{work_dir}: {error}', file=sys.stderr)
        return {}


if __name__ == '__main__':
    main()
