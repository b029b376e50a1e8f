"""Print the paper's tables with what was measured here.

Looks for the test of each config in WORK_DIRS/NAME_OF_CONFIG, where
tools/test.py writes its results. "Published" is what the paper prints, also
for other models; "measured" comes from those logs and from nowhere else. On
HMDB51 it is the mean over the splits that were tested, from the folders
split1, split2 and split3 of a config; which these are is printed below.

Example:
    python tools/analysis_tools/report.py work_dirs --tables 2 7
"""

import statistics
import sys
from pathlib import Path
from typing import Dict, List

from mmvideomamba.analysis.paper_tables import TABLES, format_table
from mmvideomamba.analysis.training_log import read_test_metrics
from mmvideomamba.cli import existing_folder, make_parser

CONFIGS = 'configs/recognition/videomamba'


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument(
        'work_dirs',
        nargs='?',
        type=existing_folder,
        default='work_dirs',
        help='folder of the work folders (default: %(default)s)',
    )
    parser.add_argument(
        '--tables',
        nargs='+',
        type=int,
        choices=TABLES,
        default=list(TABLES),
        metavar='NUMBER',
        help='which of the tables 2 to 9 (default: all); table 1 is made by '
        'temporal_consistency.py',
    )
    parser.add_argument(
        '--commands',
        action='store_true',
        help='print how to get the results that are not there yet',
    )
    args = parser.parse_args()
    tables = {number: TABLES[number] for number in args.tables}
    ours = {
        result.name: (table, result)
        for table in tables.values()
        for _, results in table.rows
        for result in results
        if result.name
    }
    tests = {name: read_tests(args.work_dirs / name) for name in ours}
    measured = {
        name: mean(list(found.values())) for name, found in tests.items()
    }
    for number, table in tables.items():
        print(f'Table {number}. {table.title}\n')
        print(format_table(table, measured), end='\n\n')
    for name, found in tests.items():
        if any(found):
            print(f'{name}: {", ".join(found)}')
    tested = [name for name, found in tests.items() if found]
    print(f'{len(tested)} of {len(ours)} configs tested here')
    if args.commands:
        missing = [ours[name] for name in ours if name not in tested]
        lines = [line for row in missing for line in commands(*row)]
        print(*dict.fromkeys(lines), sep='\n')


def read_tests(work_dir: Path) -> Dict[str, dict]:
    """Split ('' where there are none) -> metrics of its last test."""
    tests = {}
    folders = sorted(work_dir.glob('split[123]')) or [work_dir]
    for folder in folders:
        try:
            split = '' if folder == work_dir else folder.name
            tests[split] = read_test_metrics(folder)
        except FileNotFoundError:
            continue
        except ValueError as error:
            # Half a file, of a test that was cut off.
            print(f'{folder}: {error}', file=sys.stderr)
    return tests


def mean(metrics: List[dict]) -> dict:
    """Mean of each metric."""
    return {
        name: statistics.mean(m[name] for m in metrics)
        for name in (metrics[0] if metrics else ())
    }


def commands(table, result) -> List[str]:
    """How to train and test a result."""
    config, lines = f'{CONFIGS}/{result.config}.py', []
    if result.row:
        lines.append(
            f'python tools/analysis_tools/ablation.py {table.ablation} '
            f'--config {config} --dump work_dirs/configs'
        )
        config = f'work_dirs/configs/{result.name}.py'
    return [
        *lines,
        f'bash tools/dist_train.sh {config} 8',
        f'bash tools/dist_test.sh {config} CHECKPOINT.pth 8',
    ]


if __name__ == '__main__':
    main()
