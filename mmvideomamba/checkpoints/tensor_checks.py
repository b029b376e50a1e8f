"""Tensors of a checkpoint that can be the weights of a model."""

import math
from typing import Any, Dict, Iterable, List, Optional, Union

import numpy as np
import torch
from torch import Tensor, nn


def is_finite(tensor: Tensor) -> bool:
    """Whether no value of a tensor is NaN or infinite; for any dtype."""
    if not tensor.is_floating_point():
        return True
    # A sum can be too large where no value is.
    return math.isfinite(_sum(tensor)) or bool(tensor.isfinite().all())


def are_finite(tensors: Iterable[Tensor]) -> bool:
    """The same for many floating tensors, with one wait for a device.

    False may also mean that values are too large to be added up.
    """
    sums = [_sum(tensor) for tensor in tensors]
    waiting = [value for value in sums if isinstance(value, Tensor)]
    if waiting:
        device = waiting[0].device
        sums = [torch.stack([v.to(device) for v in waiting]).sum()] + [
            value for value in sums if not isinstance(value, Tensor)
        ]
    return all(map(math.isfinite, sums))


def _sum(tensor: Tensor) -> Union[float, Tensor]:
    """The sum of all values, which keeps what is not finite: one pass."""
    tensor = tensor.detach()
    if tensor.element_size() < 4:  # a sum of halves is soon too large
        tensor = tensor.float()
    if tensor.device.type != 'cpu':
        return tensor.sum()
    # numpy takes one thread; torch waits for several, for every tensor.
    with np.errstate(all='ignore'):
        return float(tensor.numpy().sum())


def why_no_weight(value: Any) -> Optional[str]:
    """What keeps a value of a state dict from being loaded, if anything."""
    if not isinstance(value, Tensor):
        return f'{type(value).__name__}, no tensor'
    if value.is_quantized:
        return f'quantized ({value.dtype})'
    if value.layout != torch.strided:
        return f'sparse ({value.layout})'
    if value.device.type == 'meta':
        return 'without values (on the meta device)'
    return None


def why_not_in(value: Any, target: Tensor) -> Optional[str]:
    """What keeps a value from taking the place of a model's tensor.

    Shapes are not compared.
    """
    problem = why_no_weight(value)
    if problem is not None or value.dtype == target.dtype:
        return problem
    if value.is_floating_point() and target.is_floating_point():
        if is_finite(value) and not is_finite(value.to(target.dtype)):
            return f'too large for {target.dtype}'
        return None
    return f'{value.dtype}, the model needs {target.dtype}'


def require_weights(
    state: Dict[Any, Any], location: str, integers: bool = False
) -> None:
    """Require that all values of a state dict are finite weights in float32.

    Args:
        state (dict): The state dict.
        location (str): Path or URL, for the message.
        integers (bool): Let there be int64 tensors too.

    Raises:
        ValueError: Names those that are not.
    """
    problems = []
    for name, value in state.items():
        problem = why_no_weight(value)
        if problem is None and not (integers and value.dtype == torch.int64):
            problem = why_not_in(value, torch.empty(0))
        if problem is None and not is_finite(value):
            problem = 'not finite'
        if problem is None and not _is_name(name):
            problem = 'not named by a printable text'
        if problem is not None:
            problems.append(f'{name!r} is {problem}')
    _refuse(problems, location)


def require_loadable(state: Dict[Any, Any], module: nn.Module) -> None:
    """Require that a state dict can be loaded into a model.

    Names and shapes are not compared.

    Raises:
        ValueError: Names the values that are no tensors, of another kind of
            number than the model's, or not finite.
    """
    targets = module.state_dict()
    parameters = {name for name, _ in module.named_parameters()}
    problems = []
    for name, value in state.items():
        if str(name).endswith('_extra_state'):
            continue  # torch's name for what modules save besides tensors
        target = targets.get(name)
        problem = why_no_weight(value)
        if problem is None and isinstance(target, Tensor):
            problem = why_not_in(value, target)
        if problem is None and not is_finite(value):
            # Buffers of other models may hold -inf, such as masks.
            infinite = target is not None and name not in parameters
            if not infinite or bool(value.isnan().any()):
                problem = 'not finite'
        if problem is None and not _is_name(name):
            problem = 'not named by a printable text'
        if problem is not None:
            problems.append(f'{name!r} is {problem}')
    _refuse(problems, 'the checkpoint')


def _is_name(name: Any) -> bool:
    """Whether a name is one, and can be shown on a terminal."""
    return isinstance(name, str) and name.isprintable()


def _refuse(problems: List[str], location: str) -> None:
    """Raise a ValueError that lists the first of some problems, if any."""
    if problems:
        more = len(problems) - 5
        raise ValueError(
            f'{location} has values that are no weights of this model: '
            + '; '.join(problem[:200] for problem in problems[:5])
            + f'; and {more} more' * (more > 0)
            + '. Nothing was loaded. Take a checkpoint of dense, finite '
            'floating-point tensors, such as an earlier one of the run'
        )
