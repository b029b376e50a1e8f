"""Run one of the paper's comparisons on a config.

Trains every row of the table with several seeds, through tools/train.py and
its log, and prints mean and standard deviation of the last validation, and the
CPU time of a training (user time, all its processes and threads), beside the
paper's table. A repeated command skips finished runs and resumes the others
from their last checkpoint. Runs of another config need another --work-dir.
Rows that do not fit the config are left out, with the reason.

With --dump it trains nothing but writes a config for each row, for
tools/dist_train.sh; tools/analysis_tools/paper_tables.py finds their results.

Example:
    python tools/data/motion_shapes.py data/motion_shapes
    python tools/analysis_tools/ablation.py reversal

    python tools/analysis_tools/ablation.py positions --config RECIPE.py \\
        --dump work_dirs/configs
    bash tools/dist_train.sh work_dirs/configs/NAME_OF_ROW.py 8
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
from mmengine.config import Config

from mmvideomamba.analysis.ablations import (
    ABLATIONS,
    NotApplicable,
    changed,
    row_name,
    summarize,
)
from mmvideomamba.analysis.paper_tables import TABLES, format_table
from mmvideomamba.analysis.training_log import read_training_log
from mmvideomamba.cli import (
    add_cfg_options,
    existing_file,
    make_parser,
    one_line_errors,
)
from mmvideomamba.files import write_json, write_text
from mmvideomamba.tables import format_number, markdown_table
from mmvideomamba.visualization import draw_accuracies, save_figure

TOOLS = Path(__file__).resolve().parents[1]
CONFIG = (
    'configs/recognition/videomamba/'
    'videomamba-nano-p16_1xb32-8x4x1-10e_motionshapes-rgb.py'
)
# In the folder of a run. changed_config.py will not do: the runner writes its
# own settings into it.
RECORD = 'config_of_row.py'
CPU_SECONDS = 'cpu_seconds.json'


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument(
        'name',
        choices=ABLATIONS,
        help='tables 2, 3, 4, 5, 6 and 7 of the paper, in this order; in the '
        "last, models of mmaction2 of the size of 'nano'",
    )
    parser.add_argument(
        '--config',
        type=existing_file,
        default=CONFIG,
        help='what is changed (default: %(default)s)',
    )
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=[0, 1, 2], metavar='SEED'
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default='work_dirs/ablations',
        help='folder of all runs (default: %(default)s)',
    )
    parser.add_argument(
        '--dump',
        type=Path,
        metavar='FOLDER',
        help='write the configs of the rows there, and train none',
    )
    add_cfg_options(parser, 'train_dataloader.batch_size=16')
    return parser.parse_args()


@one_line_errors()
def main() -> None:
    args = parse_args()
    base = Config.fromfile(args.config)
    base.merge_from_dict(args.cfg_options or {})
    configs = {}
    for row, change in ABLATIONS[args.name].rows.items():
        try:
            configs[row] = changed(base, change)
        except NotApplicable as reason:
            print(f'{row}: left out, {reason}')
    if args.dump:
        dump(args, base, configs)
    else:
        run(args, base, configs)


def dump(
    args: argparse.Namespace, base: Config, configs: Dict[str, Config]
) -> None:
    """Write a config without bases for each row."""
    stem = Path(args.config).stem
    for row, config in configs.items():
        # Several tables have the config itself as a row.
        if config.pretty_text == base.pretty_text:
            print(f'{row}: {args.config}')
            continue
        name = row_name(stem, args.name, row)
        if 'work_dir' in config:
            config.work_dir = config.work_dir.replace(stem, name)
        path = args.dump / f'{name}.py'
        text = f'# {args.name}: {row}, of {stem}\n{config.pretty_text}'
        if path.exists() and path.read_text() != text:
            raise ValueError(
                f'{path} is of another config; choose another folder, or '
                'delete it'
            )
        write_text(path, text)
        print(f'{row}: {path}')


def run(
    args: argparse.Namespace, base: Config, configs: Dict[str, Config]
) -> None:
    """Train the rows and print the table."""
    if base.model.cls_head.get('multi_class'):
        raise ValueError(
            f'the table is of top-1, and the videos of {args.config} '
            'have several labels; --dump writes the configs to train'
        )
    runs = []
    for row, config in configs.items():
        # Several tables have the config itself as a row; it runs once.
        is_base = config.pretty_text == base.pretty_text
        name = 'unchanged' if is_base else f'{args.name}/{row}'
        for seed in args.seeds:
            work_dir = args.work_dir / name.replace(' ', '_') / f'seed_{seed}'
            check_config(work_dir, config)
            runs.append((row, seed, config, work_dir))
    accuracies = {row: [] for row in configs}
    seconds = {row: [] for row in configs}
    start, trained = time.time(), 0
    for number, (row, seed, config, work_dir) in enumerate(runs, 1):
        print(
            f'[{number}/{len(runs)}] {row}, seed {seed}: ', end='', flush=True
        )
        accuracy = read_accuracy(work_dir, config)
        if accuracy is None:
            train(config, work_dir, seed)
            trained += 1
            accuracy = read_accuracy(work_dir, config)
            left = (time.time() - start) / trained * (len(runs) - number)
            print(f'{accuracy:.1%}, at most {left / 60:.0f} min to go')
        else:
            print(f'{accuracy:.1%}, as logged')
        accuracies[row].append(accuracy)
        seconds[row].append(read_cpu_seconds(work_dir))

    summaries = {row: summarize(values) for row, values in accuracies.items()}
    table = [
        (
            row,
            format_number(mean, 1, 0.01),
            format_number(std, 1, 0.01),
            runs,
            format_number(statistics.mean(seconds[row]), 0),
        )
        for row, (mean, std, runs) in summaries.items()
    ]
    header = '', 'top-1', 'std', 'seeds', 'CPU (s)'
    print(f'\nTop-1 of the last epoch ({args.config})\n')
    print(markdown_table(header, table))
    number = ABLATIONS[args.name].table
    print(f'\nThe paper, table {number}\n\n{format_table(TABLES[number])}\n')

    path = args.work_dir / args.name / 'results.json'
    record = dict(
        config=args.config,
        seeds=args.seeds,
        accuracies=accuracies,
        cpu_seconds=seconds,
    )
    write_json(path, record)
    means = {row: mean for row, (mean, _, _) in summaries.items()}
    spreads = {row: std or 0.0 for row, (_, std, _) in summaries.items()}
    chance = 1 / base.model.cls_head.num_classes
    figure = draw_accuracies(means, spreads, chance)
    print(path, *save_figure(figure, path.with_name('accuracy')))


def check_config(work_dir: Path, config: Config) -> None:
    """Refuse a folder that is of a run with another config."""
    record = work_dir / RECORD
    known = record.read_text() if record.is_file() else None
    if work_dir.exists() and known != config.pretty_text:
        raise ValueError(
            f'{work_dir} holds a run of another config, or of one not known; '
            'choose another --work-dir, or delete that folder'
        )


def read_accuracy(work_dir: Path, config: Config):
    """Top-1 at the end of the training, or None before it."""
    try:
        val = read_training_log(work_dir).val
    except ValueError:
        return None
    end = config.train_cfg.get('max_epochs') or config.train_cfg.max_iters
    if not val or val[-1]['step'] < end:
        return None
    return val[-1]['acc/top1']


def read_cpu_seconds(work_dir: Path) -> float:
    """CPU time that was spent on a run until now."""
    path = work_dir / CPU_SECONDS
    return json.loads(path.read_text()) if path.is_file() else 0.0


def train(config: Config, work_dir: Path, seed: int) -> None:
    """Train in a process of its own, which leaves nothing behind."""
    write_text(work_dir / RECORD, config.pretty_text)
    path = work_dir / 'changed_config.py'
    write_text(path, config.pretty_text)
    command = [sys.executable, str(TOOLS / 'train.py'), str(path)]
    command += ['--work-dir', str(work_dir), '--seed', str(seed), '--resume']
    log = work_dir / 'output.txt'
    before = os.times().children_user
    try:
        with open(log, 'a') as file:
            code = subprocess.call(command, stdout=file, stderr=file)
    finally:
        # Of every start of this run together.
        spent = os.times().children_user - before + read_cpu_seconds(work_dir)
        write_json(work_dir / CPU_SECONDS, spent)
    if code != 0:
        raise ChildProcessError(f'tools/train.py ended with {code}, see {log}')


if __name__ == '__main__':
    main()
