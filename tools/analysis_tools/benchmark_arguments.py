"""What the benchmarks have in common on the command line."""

import argparse
import sys
import time
from contextlib import contextmanager
from typing import Callable, Iterable, Iterator, Sequence

import torch

from mmvideomamba.benchmark.isolated_process import ProcessEnded
from mmvideomamba.benchmark.record import write_record
from mmvideomamba.benchmark.tables import format_record


def make_parser(
    description: str,
    contenders: str,
    names: Iterable[str],
    passes: Sequence[str],
    dtypes: Sequence[str],
) -> argparse.ArgumentParser:
    """What all benchmarks take; the tool sets its own defaults.

    Args:
        description (str): The tool's docstring.
        contenders (str): What is compared: 'models', 'backends'.
        names (Iterable[str]): Those that there are.
        passes (Sequence[str]): Passes that there are.
        dtypes (Sequence[str]): Data types that there are.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = list(names)
    for option, choices in (
        (contenders, names),
        ('passes', passes),
        ('dtypes', dtypes),
    ):
        parser.add_argument(
            f'--{option}',
            nargs='+',
            choices=choices,
            default=list(choices),
            metavar='NAME',
            help=f'of {", ".join(choices)} (default: %(default)s)',
        )
    parser.add_argument(
        '--batch-sizes',
        nargs='+',
        type=positive,
        default=[1],
        metavar='B',
        help='clips of a pass (default: 1)',
    )
    parser.add_argument(
        '--rounds',
        type=positive,
        help='timings of each, one a round (default: %(default)s)',
    )
    parser.add_argument(
        '--budget',
        type=float,
        metavar='SECONDS',
        help='what took longer in all its rounds of a pass sits out the rest, '
        'after two at least (default: %(default)s)',
    )
    parser.add_argument(
        '--device', type=device, choices=('cpu', 'cuda'), default='cpu'
    )
    parser.add_argument(
        '--json',
        metavar='FILE',
        help='write the results there, see mmvideomamba/benchmark/record.py',
    )
    return parser


def positive(text: str) -> int:
    """A number that starts at 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'starts at 1, got {number}')
    return number


def device(text: str) -> str:
    """A device that is there."""
    if text == 'cuda' and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError('torch finds no CUDA device here')
    return text


def progress() -> Callable[[str], None]:
    """What tells on the standard error what happens, and when."""
    start = time.monotonic()

    def report(text: str) -> None:
        seconds = time.monotonic() - start
        print(f'{seconds:5.0f} s  {text}', file=sys.stderr, flush=True)

    return report


@contextmanager
def without_traceback() -> Iterator[None]:
    """End the tool with a line where a process ended or a file is missing."""
    try:
        yield
    except (FileNotFoundError, ProcessEnded) as error:
        sys.exit(f'error: {error}')


def finish(args: argparse.Namespace, record: dict) -> None:
    """Print a record, and write it where `--json` wants it."""
    print(format_record(record))
    if args.json:
        write_record(args.json, record)
