"""What a training holds in memory, counted without computing anything.

Two parts do not depend on each other. The states of the parameters - weights,
gradients and the two moments of AdamW, in float32 - are there once in each
process, or in shards of equal size under FSDP. What autograd keeps for the
backward pass is there for each clip.

Not counted are what a kernel needs while it runs, the temporary gradients of
the backward pass, buffers of communication and the CUDA context.
"""

import copy
from typing import Dict, NamedTuple, Sequence

import torch
from torch import Tensor, nn

# Weight, gradient and two moments, 4 bytes each.
BYTES_PER_PARAMETER = 16


class TrainingMemory(NamedTuple):
    """Bytes.

    Attributes:
        states (int): Of all parameters that are trained, and the weights of
            the others.
        kept (int): For the backward pass of one input of `count`.
    """

    states: int
    kept: int


def count_training_memory(
    model: nn.Module, input_shape: Sequence[int]
) -> TrainingMemory:
    """Count the memory of a training in float32.

    The model runs on torch's meta device, with the operators that a GPU runs.

    Args:
        model (nn.Module): A recognizer of mmaction2, with its head, or any
            other module of one tensor. It stays as it is.
        input_shape (Sequence[int]): Shape of the input, batch included.

    Returns:
        TrainingMemory: Each tensor counted once, the input too if it is kept.
    """
    model = copy.deepcopy(model).to('meta').train()
    weights = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: Dict[int, torch.UntypedStorage] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return tensor

    inputs = torch.empty(*input_shape, device='meta')
    extract_feat = getattr(model, 'extract_feat', None)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        if extract_feat is not None:
            extract_feat(inputs, stage='head')
        else:
            model(inputs)
    return TrainingMemory(
        states=sum(
            p.numel() * (BYTES_PER_PARAMETER if p.requires_grad else 4)
            for p in model.parameters()
        ),
        kept=sum(storage.nbytes() for storage in kept.values()),
    )
