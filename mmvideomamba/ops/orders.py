"""Whether scan orders visit every token exactly once, asked once a tensor.

What a tensor holds is looked at when the operators first see it and after
each change made in place. On a GPU the look is queued like any kernel, and
nobody waits for the answer: a wrong order fails there as torch's own indexing
does, by a device-side assertion.

The C++ kernels look for themselves at every call, at a copy of their own:
here another thread could still change the tensor.
"""

import weakref
from typing import Dict, Tuple

import torch
from torch import Tensor

# By id, the tensor and its version when its permutations were sound.
_sound: Dict[int, Tuple[weakref.ref, int]] = {}


def require_permutations(order: Tensor) -> None:
    """Raise unless each row of `order` is a permutation.

    Args:
        order (Tensor): (K, L) int64. Of one that holds no numbers, on the
            meta device or in a compiler, nothing is asked.

    Raises:
        ValueError: A direction leaves a token out; found on CPUs.
    """
    seen = _sound.get(id(order))
    if seen and seen[0]() is order and seen[1] == _version(order):
        return
    if not _holds_numbers(order):
        return
    version = _version(order)
    tokens = torch.arange(order.shape[1], device=order.device)
    sound = (order.sort(-1).values == tokens).all()
    if order.is_cuda:
        torch._assert_async(sound, _message(order))
    elif not sound:
        raise ValueError(f'{_message(order)}; {_first_fault(order)}')
    key = id(order)
    forget = weakref.ref(order, lambda _: _sound.pop(key, None))
    _sound[key] = forget, version


def _version(order: Tensor) -> int:
    # Tensors made in inference mode do not count their changes.
    return -1 if order.is_inference() else order._version


def _holds_numbers(order: Tensor) -> bool:
    return (
        not torch.compiler.is_compiling()
        and type(order) in (Tensor, torch.nn.Parameter)
        and not order.is_meta
        and not torch._C._functorch.is_batchedtensor(order)
    )


def _message(order: Tensor) -> str:
    return (
        'order: a direction must visit every token exactly once, those from '
        f'0 to {order.shape[1] - 1}'
    )


def _first_fault(order: Tensor) -> str:
    for direction, steps in enumerate(order.tolist()):
        visited = set()
        for step, token in enumerate(steps):
            if not 0 <= token < len(steps):
                return f'got {token} at step {step} of direction {direction}'
            if token in visited:
                return f'direction {direction} visits {token} twice'
            visited.add(token)
    raise AssertionError('every direction is a permutation')
