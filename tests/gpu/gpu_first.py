"""What the first minutes on a GPU should tell, most telling first.

    python tests/gpu/gpu_first.py OUT.jsonl [--seconds 240] [--only STEP ...]
    python tests/gpu/gpu_first.py OUT.jsonl --dry

Appends a line of JSON to OUT.jsonl after each part of a step, which survives
the loss of the machine. Needs torch and Triton, and the project on
PYTHONPATH; the step `mamba` also mamba-ssm. `--dry` tries all this without a
GPU: the same code once at toy sizes, kernels run from their PTX.
"""

import argparse
import json
import os
import time
import traceback
from typing import Any

import torch
from bench import Bench
from block_steps import measure_block, measure_products
from kernel_steps import (
    check_operators,
    describe_machine,
    measure_mamba,
    measure_scan_kernels,
)

STEPS = {
    'machine': describe_machine,
    'correct': check_operators,
    'scan_kernels': measure_scan_kernels,
    'mamba': measure_mamba,
    'block': measure_block,
    'products': measure_products,
}


class Journal:
    """A file that a line is added to at a time, and is on disk then."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.start = time.time()

    @property
    def seconds(self) -> float:
        return time.time() - self.start

    def add(self, **record: Any) -> None:
        line = json.dumps(dict(record, t=round(self.seconds, 1)))
        with open(self.path, 'a') as file:
            file.write(line + '\n')
            file.flush()
            os.fsync(file.fileno())
        print(line[:400], flush=True)


def run_step(name: str, bench: Bench, journal: Journal) -> bool:
    """Run a step and add its records; False where nothing can follow."""
    try:
        for record in STEPS[name](bench):
            journal.add(step=name, **record)
    except BaseException as error:
        journal.add(
            step=name,
            error=f'{type(error).__name__}: {error}'[:500],
            trace=traceback.format_exc()[-1500:],
        )
        # After an illegal access every later call fails.
        lost = 'illegal' in str(error) or 'CUDA error' in str(error)
        return not lost and not isinstance(error, KeyboardInterrupt)
    return True


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('out', help='file to append lines of JSON to')
    parser.add_argument('--dry', action='store_true', help='without a GPU')
    parser.add_argument(
        '--seconds',
        type=float,
        default=240,
        help='no step begins after so many (default: %(default)s)',
    )
    parser.add_argument(
        '--only', nargs='+', choices=STEPS, default=list(STEPS)
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    journal = Journal(args.out)
    bench = Bench(args.dry)
    for name in STEPS:
        if name not in args.only:
            continue
        if journal.seconds > args.seconds:
            journal.add(step=name, skipped='no time')
        elif not run_step(name, bench, journal):
            break
        if not args.dry:
            torch.cuda.empty_cache()


if __name__ == '__main__':
    main()
