"""Time the backends of the selective scan side by side, in one run.

Examples:
    python tools/analysis_tools/benchmark_scan.py
    python tools/analysis_tools/benchmark_scan.py --device cuda \\
        --lengths 1569 12545 --batch-sizes 1 64 --dtypes bf16

One call is what a block of VideoMamba-S computes: both directions, softplus
of delta, skip connection, gate. Backends run in rounds, so that a change of
the machine's speed hits all alike, on a CPU each in a process of its own; a
ratio is taken within each round. Baselines run beside ours where they are
installed: mamba-ssm's scan called once per direction with flips, as models
built on it do, mambapy (extra `bench`) and transformers. Progress, and what
cannot run and why, goes to the standard error.
"""

import argparse
from itertools import product

from benchmark_arguments import finish, make_benchmark_parser

from mmvideomamba.benchmark.record import DTYPES, describe_machine
from mmvideomamba.benchmark.roofline import measure_roofline
from mmvideomamba.benchmark.scan_workloads import (
    PASSES,
    ScanCase,
    implementations,
    measure_scan,
)
from mmvideomamba.cli import one_line_errors, positive_int


def parse_args() -> argparse.Namespace:
    parser = make_benchmark_parser(
        __doc__, 'backends', implementations(), PASSES, DTYPES
    )
    parser.set_defaults(dtypes=['fp32', 'bf16'], rounds=15, budget=5.0)
    parser.add_argument(
        '--lengths',
        nargs='+',
        type=positive_int,
        default=[1569],
        metavar='L',
        help='tokens; 16 frames of 224 x 224 make 1569',
    )
    for name, default in (('channels', 768), ('states', 16)):
        parser.add_argument(f'--{name}', type=positive_int, default=default)
    return parser.parse_args()


@one_line_errors()
def main() -> None:
    args = parse_args()
    machine = describe_machine(args.device)
    machine['roofline'] = measure_roofline(args.device)
    results = []
    for size in product(args.dtypes, args.batch_sizes, args.lengths):
        results += measure_scan(
            ScanCase(*size, args.channels, args.states, args.device),
            args.backends,
            machine['roofline'],
            args.passes,
            args.rounds,
            args.budget,
        )
    finish(args, dict(benchmark='scan', machine=machine, results=results))


if __name__ == '__main__':
    main()
