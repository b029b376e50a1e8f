"""What one block of VideoMamba-S moves and holds on a GPU, without one.

    python tests/gpu/count_block.py [--batch 64]

Prints a JSON line for the forward and for the backward pass, under bfloat16
autocast: gigabytes if each operator of PyTorch, each product and each kernel
of ours touches each of its tensors once, in all and of the largest; gigabytes
that the forward pass leaves for the backward pass, and the most that this
holds at once beside its results and what was there.

Kernels are not run, so that their results are not what they would be. All is
counted for one clip and for two, and the rest follows: it grows by the clip.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from triton.runtime.jit import JITFunction
from without_a_gpu import imagine_multiprocessors

from mmvideomamba.ops.triton import operators

sys.path.append(str(Path(__file__).resolve().parents[2] / 'tools'))

# isort: split
from gpu_check_parts.bench import Bench
from gpu_check_parts.block import Block

# A view in all but name, and memory that another operator will write to.
MOVE_NOTHING = (
    *('_unsafe_view', 'detach'),
    *('empty', 'empty_like', 'empty_strided', 'new_empty', 'new_ones'),
)


class Traffic(TorchDispatchMode):
    """Bytes that operators inside move, and that their results hold.

    Attributes:
        moved (Counter): Bytes by the name of an operator or a kernel.
        most (int): The most that lived at once of what was made inside.
    """

    def __init__(self) -> None:
        super().__init__()
        self.moved: Counter = Counter()
        self.most = 0
        self.made: Dict[int, Tuple[StorageWeakRef, int]] = {}

    @property
    def held(self) -> int:
        """Bytes that live now."""
        self.made = {
            place: (storage, size)
            for place, (storage, size) in self.made.items()
            if not storage.expired()
        }
        return sum(size for _, size in self.made.values())

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        namespace, name = operator.name().split('.')[0].split('::')
        if namespace == 'mmvideomamba':
            # Its kernels are seen one by one.
            with self:
                return getattr(operators, name)(*args, **kwargs)
        out = operator(*args, **kwargs)
        if not (operator.is_view or name in MOVE_NOTHING):
            self.touch(name, [args, kwargs, out])
            if name.endswith('_'):
                # It reads and writes.
                self.touch(name, args[0])
        for t in tensors_of(out):
            storage = t.untyped_storage()
            size = storage.nbytes()
            self.made[storage._cdata] = StorageWeakRef(storage), size
        self.most = max(self.most, self.held)
        return out

    def touch(self, name: str, values: Any) -> None:
        """Count each place in memory once, however often it is given."""
        places = {
            (t.data_ptr(), t.shape): t.numel() * t.itemsize
            for t in tensors_of(values)
        }
        self.moved[name] += sum(places.values())


def tensors_of(values: Any) -> Iterator[Tensor]:
    return (t for t in tree_leaves(values) if isinstance(t, Tensor))


def count(clips: int) -> List[Counter]:
    """Bytes of both passes over so many clips."""
    bench = Bench(dry=False)
    bench.device = 'cpu'
    block = Block(bench)
    x = torch.zeros(clips, bench.sizes.L, block.channels, requires_grad=True)
    inputs = [x, *block.parameters()]
    traffic = Traffic()

    def count_launch(kernel: Any, grid: Any) -> Callable:
        return lambda *args, **options: traffic.touch(kernel.__name__, args)

    JITFunction.__getitem__ = count_launch
    with traffic:
        out = block(x)
    forward = Counter(traffic.moved, left=traffic.held)
    traffic.moved.clear()
    grad = torch.zeros_like(out)
    before = traffic.most = traffic.held
    with traffic:
        gradients = torch.autograd.grad(out, inputs, grad)
    results = sum(t.numel() * t.itemsize for t in gradients)
    most = traffic.most - before - results
    return [forward, Counter(traffic.moved, most=most)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--batch', type=int, default=64)
    args = parser.parse_args()
    from triton_on_cpu import let_cpu_take_triton

    let_cpu_take_triton()
    # So few that no scan is cut into segments, as with a batch that is large.
    imagine_multiprocessors(1)
    for name, one, two in zip(('forward', 'backward'), count(1), count(2)):
        GB = {
            key: (one[key] + (args.batch - 1) * (two[key] - one[key])) / 1e9
            for key in two
        }
        beside = {
            key: round(GB.pop(key), 2) for key in ('left', 'most') if key in GB
        }
        largest = sorted(GB.items(), key=lambda item: -item[1])
        print(
            json.dumps(
                dict(
                    {'pass': name},
                    GB=round(sum(GB.values()), 2),
                    **beside,
                    of={key: round(value, 2) for key, value in largest[:14]},
                )
            )
        )


if __name__ == '__main__':
    main()
