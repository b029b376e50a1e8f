"""Run the parts of the GPU check, each for a limited time, and report.

This process starts the others and watches the clock. It imports nothing that
could touch the GPU: whatever hangs is killed, and what follows still runs.
The parts themselves are in gpu_check_parts/.
"""

import argparse
import contextlib
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, TextIO

from gpu_check_parts.baggage import Build, install_wheels
from gpu_check_parts.journal import Found, Journal

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, '-m', 'gpu_check_parts']
SECONDS = 580
# A CPU takes its time for a rehearsal.
REHEARSAL_SECONDS = 3600
# What is left for a part must be worth its start.
SHORTEST = 10

# By their paths: importing the package imports torch.
PACKAGE = ROOT / 'mmvideomamba'
markdown_table = runpy.run_path(str(PACKAGE / 'tables.py'))['markdown_table']
write_text = runpy.run_path(str(PACKAGE / 'files.py'))['write_text']


class Part(NamedTuple):
    """What a part may take, in seconds, and what it does."""

    seconds: float
    purpose: str


MACHINE = Part(60, 'what this machine is')
# The most telling first: all may not have the time they may take.
PARTS = {
    'ceilings': Part(30, 'what the GPU copies, multiplies, exponentiates'),
    'correct': Part(60, 'each operator against float64, in bfloat16'),
    'kernels': Part(40, 'scan and convolution, at 64 clips, 8 and one'),
    'mamba_ssm_twice': Part(40, "mamba-ssm's scan, a call per direction"),
    'correct_others': Part(60, 'float32 and float16 against float64'),
    'block': Part(40, 'a block, launched and from a CUDA graph'),
    'products': Part(20, 'the matrix products of a block'),
    'models': Part(150, 'clips per second of models, at their largest batch'),
    'amp': Part(45, 'training steps in bfloat16 and float16'),
    'compile': Part(75, 'torch.compile gives the same gradients'),
    'graphs': Part(75, 'one clip, launched and from CUDA graphs'),
    'memory': Part(55, 'training memory of 16, 32 and 64 frames'),
    'growth': Part(45, 'time and memory from 8 to 128 frames'),
    'mamba_ssm': Part(75, 'the backend mamba_ssm against float64'),
    'two_gpus': Part(75, 'gradients of two GPUs against those of one'),
    'tests': Part(140, 'the tests of the kernels, at awkward sizes too'),
}
# What torch and Triton suffice for: without the rest they start sooner.
BARE = (
    *('ceilings', 'correct', 'kernels', 'correct_others'),
    *('block', 'products', 'two_gpus'),
)
# One at least must have passed: the rest does not look at the results.
CHECKS = ('correct', 'correct_others', 'tests')
# They wait for mamba-ssm where it is being built.
AFTER_BUILD = ('mamba_ssm_twice', 'mamba_ssm')


def run_part(
    name: str, seconds: float, options: Sequence[str], packages: str = ''
) -> dict:
    """Run a part in processes of its own.

    Args:
        name (str): What gpu_check_parts calls it.
        seconds (float): After these, its processes are killed.
        options (sequence[str]): The rest of its command line.
        packages (str): A folder of packages that it finds.

    Returns:
        dict: `status` ('passed', 'skipped', 'failed'), `seconds` it took, and
        `result` or `reason` where there is one.
    """
    start = time.monotonic()
    if seconds < SHORTEST:
        outcome = dict(status='skipped', reason='no time left')
    else:
        outcome = watch([*COMMAND, name, *options], seconds, packages)
    return dict(outcome, seconds=round(time.monotonic() - start, 1))


def watch(command: Sequence[str], seconds: float, packages: str = '') -> dict:
    """The outcome that a command prints last, as JSON, or what became of it.

    Output goes to files: a pipe would stay open for as long as any of its
    processes is stuck in the driver, where no signal reaches it.
    """
    paths = [
        *map(str, (ROOT, ROOT / 'tools')),
        packages,
        os.environ.get('PYTHONPATH', ''),
    ]
    environment = dict(
        os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths))
    )
    with temporary_file() as output, temporary_file() as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            process.wait(seconds)
            reason = f'exited with status {process.returncode}'
        except subprocess.TimeoutExpired:
            reason = f'ran out of time after {seconds:.0f} s'
        finally:
            if process.returncode is None:
                kill(process)
        outcome = dict(status='failed', reason=reason)
        # A part that hangs in its very end has told its outcome before.
        with contextlib.suppress(IndexError, TypeError, ValueError):
            outcome = dict(json.loads(read_lines(output)[-1]))
        if outcome['status'] == 'failed':
            tail = read_lines(errors)[-30:]
            outcome['reason'] = '\n'.join([outcome['reason'], *tail])
    return outcome


def temporary_file() -> TextIO:
    return tempfile.TemporaryFile('w+', errors='replace')


def read_lines(file: TextIO) -> List[str]:
    file.seek(0)
    return file.read().strip().splitlines()


def kill(process: subprocess.Popen) -> None:
    """End a process and all that it started; do not wait for long.

    A process that is stuck in the driver ends when the driver lets it go.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2)


def next_part(queue: Sequence[str], building: bool) -> str:
    """The first of the parts that need not wait, or the first of all."""
    ready = [n for n in queue if not (building and n in AFTER_BUILD)]
    return (ready or queue)[0]


def report(about: dict, found: Dict[str, Found]) -> str:
    """The Markdown page: what ran, then what was measured."""
    lines = [
        f'# {about["gpu"]}',
        '',
        f'`bash tools/gpu_check.sh` on {about["date"]}, commit '
        f'{about["commit"]}, torch {about["torch"]}, '
        f'triton {about["triton"]}.',
        '',
        markdown_table(
            ('part', 'status', 'seconds', 'remark'),
            (
                (
                    name,
                    part.outcome['status'],
                    part.outcome.get('seconds', '-'),
                    remark(part.outcome),
                )
                for name, part in found.items()
            ),
        ),
    ]
    for name, part in found.items():
        if part.records:
            purpose = dict(PARTS, machine=MACHINE)[name].purpose
            lines += ['', f'## {name}: {purpose}', '', *tables(part.records)]
    return '\n'.join(lines) + '\n'


def tables(records: Sequence[dict]) -> List[str]:
    """Records with the same keys as rows; what nests as a list below."""
    lines: List[str] = []
    header: List[str] = []
    rows: List[list] = []
    nested: List[str] = []

    def flush() -> None:
        if rows:
            lines.extend([markdown_table(header, rows), ''])
        lines.extend(nested + [''] if nested else [])
        rows.clear()
        nested.clear()

    for record in records:
        flat = {k: v for k, v in record.items() if not isinstance(v, dict)}
        if list(flat) != header:
            flush()
            header = list(flat)
        rows.append([cell(value) for value in flat.values()])
        title = ' '.join(map(str, list(flat.values())[:3]))
        for key, value in record.items():
            if isinstance(value, dict) and value:
                items = (f'{k} {cell(v)}' for k, v in value.items())
                nested.append(f'- {title}, {key}: {", ".join(items)}')
    flush()
    return lines[:-1]


def cell(value: object) -> str:
    """A value of a record, numbers with four digits."""
    if isinstance(value, (list, tuple)):
        return ' x '.join(map(cell, value))
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def remark(outcome: dict) -> str:
    """The first line of what went wrong, and the last if there are more."""
    lines = outcome.get('reason', '').splitlines()
    ends = ' ... '.join(dict.fromkeys([*lines[:1], *lines[-1:]]))
    return ends[:200].replace('|', '/')


def verdict(found: Dict[str, Found]) -> Optional[str]:
    """Why the check has failed; None where it has not."""
    statuses = {name: part.outcome['status'] for name, part in found.items()}
    failed = [name for name, status in statuses.items() if status == 'failed']
    if failed:
        return f'failed: {", ".join(failed)}'
    if not any(statuses.get(name) == 'passed' for name in CHECKS):
        return (
            'no results of the kernels were checked on this machine; run one '
            f'of --parts {" ".join(CHECKS)}'
        )
    return None


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Check and measure everything on a GPU.'
    )
    parser.add_argument(
        '--parts',
        nargs='+',
        choices=PARTS,
        default=list(PARTS),
        metavar='PART',
        help=f'in this order; by default all: {", ".join(PARTS)}',
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='where results go; what an earlier run left there is completed '
        '(default: docs/benchmarks; with --dry work_dirs)',
    )
    parser.add_argument(
        '--wheels',
        type=Path,
        metavar='DIR',
        help='a folder of wheels that the machine lacks, with sdists of '
        'mamba-ssm and causal-conv1d, which are built while parts run',
    )
    parser.add_argument(
        '--dry',
        action='store_true',
        help='without a GPU: everything once, at toy sizes',
    )
    args = parser.parse_args()
    if args.out is None:
        args.out = ROOT / ('work_dirs' if args.dry else 'docs/benchmarks')
    return args


def main() -> int:
    args = parse_args()
    dry = ['--dry'] if args.dry else []
    end = time.monotonic() + (REHEARSAL_SECONDS if dry else SECONDS)
    if dry:
        os.environ['TRITON_INTERPRET'] = '1'
    with contextlib.ExitStack() as stack:
        packages = stack.enter_context(tempfile.TemporaryDirectory())
        machine = run_part('machine', MACHINE.seconds, dry)
        if machine['status'] != 'passed':
            sys.exit(f'error: {machine["reason"]}')
        about = machine['result']
        if args.wheels:
            try:
                install_wheels(args.wheels, packages)
            except (OSError, ValueError) as error:
                sys.exit(f'error: {error}')
        args.out.mkdir(parents=True, exist_ok=True)
        page = args.out / re.sub('[^a-z0-9]+', '-', about['gpu'].lower())
        journal = Journal(page.with_suffix('.jsonl'), about)
        journal.add('machine', status='started')
        rest = {k: v for k, v in about.items() if k not in journal.about}
        journal.add('machine', **rest)
        journal.add('machine', status='passed', seconds=machine['seconds'])
        build = stack.enter_context(
            contextlib.closing(Build(args.wheels, packages))
        )

        queue = list(args.parts)
        while queue:
            name = next_part(queue, build.running())
            queue.remove(name)
            seconds, purpose = PARTS[name]
            print(f'==> {name}: {purpose}', flush=True)
            if name in AFTER_BUILD:
                build.wait(end - time.monotonic() - seconds)
            left = end - time.monotonic()
            journal.add(name, status='started')
            outcome = run_part(
                name,
                left if dry else min(seconds, left),
                [str(journal.path), '--about', json.dumps(about), *dry],
                '' if name in BARE and not dry else packages,
            )
            if name in AFTER_BUILD and outcome['status'] == 'skipped':
                outcome['reason'] += build.remark()
            journal.add(name, **outcome)
            status, took = outcome['status'], outcome['seconds']
            print(f'    {status} in {took} s  {remark(outcome)}')
            # After every part: who loses the machine keeps what there is.
            found = journal.read()
            write_text(page.with_suffix('.md'), report(about, found))

    print(f'\n{page.with_suffix(".md").read_text()}')
    for name, part in found.items():
        if part.outcome['status'] == 'failed':
            print(f'{name} failed: {part.outcome["reason"]}\n')
    print(f'Written: {page}.jsonl and .md')
    reason = verdict(found)
    if reason is not None:
        print(f'gpu_check: {reason}')
    return reason is not None


if __name__ == '__main__':
    sys.exit(main())
