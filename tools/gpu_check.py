"""Run the parts of the GPU check, each for a limited time, and report.

This process starts the others and watches the clock. It imports nothing that
could touch the GPU: whatever hangs is killed, and what follows still runs.
The parts themselves are in gpu_check_parts.py.
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
from typing import Dict, List, NamedTuple, Sequence, TextIO

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / 'tools' / 'gpu_check_parts.py'
SECONDS = 580
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
# Together within SECONDS, where MACHINE takes as little as it should.
PARTS = {
    'tests': Part(140, 'backends against the reference, at awkward sizes too'),
    'scan': Part(45, 'the scan of one clip, beside the reference'),
    'scan_batch': Part(40, 'the scan of 64 clips, beside mamba-ssm'),
    'train_with_amp': Part(45, 'training steps in bfloat16 and float16'),
    'compile': Part(75, 'torch.compile gives the same gradients'),
    'models': Part(100, 'throughput beside other video models'),
    'memory': Part(55, 'training memory of 16, 32 and 64 frames'),
    'growth': Part(45, 'time and memory from 8 to 128 frames'),
}


def run_part(name: str, seconds: float) -> dict:
    """Run a part in processes of its own.

    Args:
        name (str): What gpu_check_parts.py calls it.
        seconds (float): After these, its processes are killed.

    Returns:
        dict: `status` ('passed', 'skipped', 'failed'), `seconds` it took, and
        `result` or else `reason`.
    """
    start = time.monotonic()
    if seconds < SHORTEST:
        outcome = dict(status='skipped', reason='no time left')
    else:
        outcome = watch([sys.executable, str(SCRIPT), name], seconds)
    return dict(outcome, seconds=round(time.monotonic() - start, 1))


def watch(command: Sequence[str], seconds: float) -> dict:
    """The outcome that a command prints last, as JSON, or what became of it.

    Output goes to files: a pipe would stay open for as long as any of its
    processes is stuck in the driver, where no signal reaches it.
    """
    paths = [str(ROOT), os.environ.get('PYTHONPATH', '')]
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


def report(about: dict, outcomes: Dict[str, dict]) -> str:
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
                (name, outcome['status'], outcome['seconds'], remark(outcome))
                for name, outcome in outcomes.items()
            ),
        ),
    ]
    for name, outcome in outcomes.items():
        printed = outcome.get('result', {}).get('printed')
        if printed:
            lines += ['', f'## {name}: {PARTS[name].purpose}', '', printed]
    return '\n'.join(lines) + '\n'


def remark(outcome: dict) -> str:
    """The first line of what went wrong, and the last if there are more."""
    lines = outcome.get('reason', '').splitlines()
    ends = ' ... '.join(dict.fromkeys([*lines[:1], *lines[-1:]]))
    return ends[:200].replace('|', '/')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--parts', nargs='+', choices=PARTS, default=list(PARTS)
    )
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'docs' / 'benchmarks'
    )
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    started = time.monotonic()
    machine = run_part('machine', MACHINE.seconds)
    if machine['status'] != 'passed':
        sys.exit(f'gpu_check: {machine["reason"]}')
    about = machine['result']
    args.out.mkdir(parents=True, exist_ok=True)
    page = args.out / re.sub('[^a-z0-9]+', '-', about['gpu'].lower())

    outcomes = {}
    for name in args.parts:
        seconds, purpose = PARTS[name]
        left = SECONDS - (time.monotonic() - started)
        print(f'==> {name}: {purpose}', flush=True)
        outcomes[name] = run_part(name, min(seconds, left))
        status, took = outcomes[name]['status'], outcomes[name]['seconds']
        print(f'    {status} in {took} s  {remark(outcomes[name])}')
        # After every part: who loses the machine keeps what there is.
        results = json.dumps(dict(machine=about, parts=outcomes), indent=2)
        write_text(page.with_suffix('.json'), results + '\n')
        write_text(page.with_suffix('.md'), report(about, outcomes))

    print(f'\n{page.with_suffix(".md").read_text()}')
    failed = [n for n, o in outcomes.items() if o['status'] == 'failed']
    for name in failed:
        print(f'{name} failed: {outcomes[name]["reason"]}\n')
    print(f'Written: {page}.json and .md')
    return bool(failed)


if __name__ == '__main__':
    sys.exit(main())
