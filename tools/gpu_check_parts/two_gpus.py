"""The part that needs two GPUs; torchrun runs this module in each process.

Two processes with B clips each must have the gradients of one with 2 B.
"""

import argparse
import json
import os
from typing import Iterator

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from .bench import Bench, relative_error, two_digits
from .block import Block
from .skip import Skip
from .tests import run

# Of float32 sums in another order.
TOLERANCE = 1e-4


def check_gradients(bench: Bench) -> Iterator[dict]:
    """Gradients of 2 x B clips against those of 1 x 2 B.

    Raises:
        RuntimeError: They differ.
    """
    count = torch.cuda.device_count()
    if not bench.dry and count < 2:
        raise Skip(f'two GPUs are needed, there is {count}')
    options = ['--dry'] if bench.dry else []
    printed = run(
        *('-m', 'torch.distributed.run', '--standalone'),
        *('--nproc-per-node=2', '-m', 'gpu_check_parts.two_gpus', *options),
    )
    record = json.loads(printed.splitlines()[-1])
    yield record
    worst = max(record['differences'].values())
    if not worst <= TOLERANCE:
        raise RuntimeError(f'gradients differ by {worst:.1e}')


def compare_gradients(bench: Bench) -> dict:
    """By parameter, the largest relative difference; in each process."""
    rank, count = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(0)
    # What is rehearsed is how processes share their gradients.
    backend = 'reference' if bench.dry else 'triton'
    block = Block(bench, torch.float32, backend)
    clips = bench.randn(2 * count, bench.sizes.L, block.channels)
    weights = bench.randn(*clips.shape)
    names = [name for name, _ in block.named_parameters()]

    (block(clips) * weights).mean().backward()
    alone = [p.grad.clone() for p in block.parameters()]
    block.zero_grad()
    # It averages the gradients of all processes.
    shared = DistributedDataParallel(block)
    own = slice(2 * rank, 2 * rank + 2)
    (shared(clips[own]) * weights[own]).mean().backward()
    together = [p.grad for p in block.parameters()]
    errors = map(relative_error, together, alone)
    return dict(
        processes=count,
        differences=dict(zip(names, map(two_digits, errors))),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--dry', action='store_true')
    dry = parser.parse_args().dry
    if dry:
        from .rehearsal import rehearse

        rehearse()
        dist.init_process_group('gloo')
    else:
        torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
        dist.init_process_group('nccl')
    found = compare_gradients(Bench(dry))
    if dist.get_rank() == 0:
        print(json.dumps(found), flush=True)
    dist.destroy_process_group()


if __name__ == '__main__':
    main()
