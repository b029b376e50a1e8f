"""The parts of the check on a GPU: `python -m gpu_check_parts NAME JOURNAL`.

Adds the part's records to the journal as they come, and prints its outcome
as a last line of JSON: the status, and the reason where it did not pass. A
part does not watch the clock; gpu_check.py does.
"""

import argparse
import json
import os
import traceback
from functools import partial
from typing import Callable, Dict, Iterator

# PyTorch's profiler, which tells the kernels' times, else logs every start.
os.environ.setdefault('KINETO_LOG_LEVEL', '99')

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
from . import (
    adapter,
    block,
    kernels,
    machine,
    models,
    tests,
    training,
    two_gpus,
)
from .bench import Bench
from .journal import Journal
from .skip import Skip

Part = Callable[[Bench], Iterator[dict]]
PARTS: Dict[str, Part] = dict(
    ceilings=kernels.measure_ceilings,
    correct=partial(kernels.check_operators, cases=kernels.CASES[:2]),
    kernels=kernels.measure_kernels,
    mamba_ssm_twice=adapter.measure_mamba_ssm_twice,
    correct_others=partial(kernels.check_operators, cases=kernels.CASES[2:]),
    block=block.measure_block,
    products=block.measure_products,
    models=models.measure_models,
    amp=training.train_with_amp,
    compile=training.compare_compiled,
    graphs=training.measure_graphs,
    memory=models.measure_memory,
    growth=models.measure_growth,
    mamba_ssm=adapter.check_backend,
    two_gpus=two_gpus.check_gradients,
    tests=tests.run_tests,
)
# What is measured in float32 and float16 too, or in these alone.
WITHOUT_BFLOAT16 = (
    *('ceilings', 'correct_others', 'amp', 'compile', 'graphs'),
    *('two_gpus', 'tests'),
)


def describe_machine(dry: bool) -> dict:
    reason = None if dry else machine.why_not()
    if reason is not None:
        raise Skip(reason)
    return machine.describe(dry)


def run_part(args: argparse.Namespace) -> dict:
    """The outcome of a part; its records are in the journal by then."""
    try:
        if args.dry:
            from .rehearsal import rehearse

            rehearse()
        if args.part == 'machine':
            return dict(status='passed', result=describe_machine(args.dry))
        bench = Bench(args.dry)
        if args.part not in WITHOUT_BFLOAT16 and not bench.has_bfloat16:
            raise Skip('this GPU has no bfloat16')
        journal = Journal(args.journal, json.loads(args.about))
        for record in PARTS[args.part](bench):
            journal.add(args.part, **record)
        return dict(status='passed')
    except Skip as reason:
        return dict(status='skipped', reason=str(reason))
    except Exception as error:
        traceback.print_exc()
        reason = f'{type(error).__name__}: {error}'
        return dict(status='failed', reason=reason)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('part', choices=['machine', *PARTS])
    parser.add_argument('journal', nargs='?')
    parser.add_argument('--about', help='what each line says, as JSON')
    parser.add_argument('--dry', action='store_true')
    print(json.dumps(run_part(parser.parse_args())))


if __name__ == '__main__':
    main()
