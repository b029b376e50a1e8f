"""Print the paper's tables with what was measured here.

Looks for the test of each config in WORK_DIRS/NAME_OF_CONFIG, where
tools/test.py writes its results. "Published" is what the paper prints, also
for other models; "measured" comes from those logs and from nowhere else. On
HMDB51 it is the mean over the splits that were tested, from the folders
split1, split2 and split3 of a config; which these are is printed below. What
else was tested there, say with several labels a video, is a table of its own.

Example:
    python tools/analysis_tools/paper_tables.py work_dirs --tables 2 7
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
    print_others(args.work_dirs)
    tested = [name for name, found in tests.items() if found]
    print(f'{len(tested)} of {len(ours)} configs tested here')
    if args.commands:
        missing = [ours[name] for name in ours if name not in tested]
        lines = [line for row in missing for line in commands(*row)]
        print(*dict.fromkeys(lines), sep='\n')


def print_others(work_dirs: Path) -> None:
    """Print the tests of configs that are in none of the paper's tables."""
    from mmvideomamba.analysis.paper_tables import TABLES
    from mmvideomamba.tables import markdown_table
    from mmvideomamba.visualization.training_curve import METRICS

    papers = {
        result.name
        for table in TABLES.values()
        for _, results in table.rows
        for result in results
    }
    others = {
        folder.name: mean(list(read_tests(folder).values()))
        for folder in sorted(work_dirs.iterdir())
        if folder.is_dir() and folder.name not in papers
    }
    columns = {
        metric: title
        for metric, title in METRICS.items()
        if any(metric in metrics for metrics in others.values())
    }
    rows = [
        [name]
        + [f'{100 * m[key]:.1f}' if key in m else '-' for key in columns]
        for name, m in others.items()
        if not columns.keys().isdisjoint(m)
    ]
    if rows:
        print('Other tests\n')
        print(markdown_table(['config', *columns.values()], rows), end='\n\n')


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
