"""What the benchmarks have in common on the command line."""

import argparse
from typing import Iterable, Sequence

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
import torch

from mmvideomamba.benchmark.tables import format_record
from mmvideomamba.cli import add_measurement, make_parser
from mmvideomamba.files import write_json


def make_benchmark_parser(
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
    parser = make_parser(description)
    options = {contenders: names, 'passes': passes, 'dtypes': dtypes}
    for option, choices in options.items():
        parser.add_argument(
            f'--{option}',
            nargs='+',
            choices=list(choices),
            default=list(choices),
            metavar='NAME',
            help=f'of {", ".join(choices)} (default: %(default)s)',
        )
    add_measurement(parser)
    parser.add_argument(
        '--device', type=device, choices=('cpu', 'cuda'), default='cpu'
    )
    return parser


def device(text: str) -> str:
    """The type of --device: one that is there."""
    if text == 'cuda' and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError('torch finds no CUDA device here')
    return text


def finish(args: argparse.Namespace, record: dict) -> None:
    """Print a record, and write it where `--json` wants it."""
    print(format_record(record))
    if args.json:
        write_json(args.json, record)
