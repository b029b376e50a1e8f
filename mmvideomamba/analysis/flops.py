"""Parameters and multiply-accumulates of a model, by module and operation.

Two protocols:

- `complete` counts every product: linear layers, matrix products and
  convolutions one per multiply-accumulate, norms with a mean (layer, batch,
  group) as fvcore counts them, and the operators of the state space model as
  `mmvideomamba.ops.flops` does.
- `paper` leaves out what happens inside the state space model: convolution,
  x_proj, dt_proj and scan. The usual counters do not see it, since it hides
  in one fused function, and the paper's tables print what they see: the
  tokenizer, in_proj and out_proj. Without a state space model both agree.

The model runs on torch's meta device: no arithmetic, no memory, and the same
count whatever backend runs the scan.
"""

import copy
import re
from collections import defaultdict
from functools import partial
from typing import Dict, List, NamedTuple, Sequence, Tuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ..models import SpatioTemporalSSM

# torch's counter counts two operations for each multiply-accumulate.
OPERATIONS_PER_MAC = 2


class ModuleCost(NamedTuple):
    """What one module computes itself, without its children.

    Attributes:
        module (str): Its name; equal ones of a list share a row, `*` in
            place of their numbers.
        operation (str): As torch names it.
        paper (int): Multiply-accumulates by the paper's protocol.
        complete (int): Multiply-accumulates by the complete protocol.
    """

    module: str
    operation: str
    paper: int
    complete: int


class Complexity(NamedTuple):
    """Parameters and cost of one forward pass.

    Attributes:
        input_shape (tuple[int, ...]): What the model was given.
        parameters (int): Number of parameters.
        modules (list[ModuleCost]): In the order of the computation.
    """

    input_shape: Tuple[int, ...]
    parameters: int
    modules: List[ModuleCost]

    @property
    def paper(self) -> int:
        """Multiply-accumulates by the paper's protocol."""
        return sum(cost.paper for cost in self.modules)

    @property
    def complete(self) -> int:
        """Multiply-accumulates by the complete protocol."""
        return sum(cost.complete for cost in self.modules)


def count_complexity(
    model: nn.Module, input_shape: Sequence[int]
) -> Complexity:
    """Count the parameters and the multiply-accumulates of a forward pass.

    Args:
        model (nn.Module): A recognizer of mmaction2, counted with its head,
            or any other module of one tensor. It stays as it is.
        input_shape (Sequence[int]): Shape of the input, batch included.

    Returns:
        Complexity: Both protocols, by module.
    """
    model = copy.deepcopy(model).to('meta').eval()
    recorder = _Recorder(model)
    # With gradients on, torch does not take its fused attention, whose
    # products no counter sees.
    inputs = torch.empty(*input_shape, device='meta', requires_grad=True)
    with torch.enable_grad(), recorder:
        if hasattr(model, 'extract_feat'):
            model.extract_feat(inputs, stage='head')
        else:
            model(inputs)

    inside_ssm = {
        name
        for name, module in model.named_modules()
        if isinstance(module, SpatioTemporalSSM)
    }
    rows: Dict[Tuple[str, str], List[int]] = {}
    for (name, operation), macs in recorder.macs.items():
        row = rows.setdefault((_collapse(name), operation), [0, 0])
        row[0] += 0 if name in inside_ssm else macs
        row[1] += macs
    return Complexity(
        input_shape=tuple(input_shape),
        parameters=sum(p.numel() for p in model.parameters()),
        modules=[ModuleCost(*key, *macs) for key, macs in rows.items()],
    )


class _Recorder(TorchDispatchMode):
    """Adds up what each module of a model computes itself.

    Attributes:
        macs (dict): (module, operation) -> multiply-accumulates.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.macs: Dict[Tuple[str, str], int] = defaultdict(int)
        self._running = ['']
        self._formulas = {**flop_registry, **_norm_formulas()}
        for name, module in model.named_modules():
            module.register_forward_pre_hook(partial(self._enter, name))
            module.register_forward_hook(self._leave)

    def _enter(self, name: str, *_) -> None:
        self._running.append(name)

    def _leave(self, *_) -> None:
        self._running.pop()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        operation = func.overloadpacket
        if operation in self._formulas:
            key = self._running[-1], operation.__name__
            count = self._formulas[operation]
            operations = count(*args, **(kwargs or {}), out_val=out)
            self.macs[key] += operations // OPERATIONS_PER_MAC
        return out


def _collapse(name: str) -> str:
    """layers.0.mixer and layers.1.mixer -> layers.*.mixer"""
    return re.sub(r'(?<=\.)\d+(?=\.|$)', '*', name)


def _norm_formulas() -> dict:
    """Formulas of the norms, which torch's registry lacks."""
    aten = torch.ops.aten

    def norm(x, *args, **kwargs):
        return OPERATIONS_PER_MAC * 5 * x.numel()

    def batch_norm(x, *args, **kwargs):
        # Its statistics are known: a scale and a shift.
        return OPERATIONS_PER_MAC * 2 * x.numel()

    return {
        aten.native_layer_norm: norm,
        aten.native_group_norm: norm,
        aten.native_batch_norm: batch_norm,
    }
