"""Weights alone -> a file for others, which nothing overwrites."""

import io
import json
import os
from typing import Dict

import torch
from torch import Tensor

from ..files import atomic_write

SUFFIXES = ('.pth', '.safetensors')


def encode_weights(state: Dict[str, Tensor], meta: dict, path: str) -> bytes:
    """Return what a file of the format that `path` names holds.

    Args:
        state (dict): A recognizer's state dict; saved on the CPU.
        meta (dict): What else to say about it; plain values.
        path (str): Ends in '.pth' or '.safetensors'.

    Raises:
        ValueError: Another ending.
    """
    state = {name: tensor.cpu() for name, tensor in state.items()}
    if path.endswith('.pth'):
        buffer = io.BytesIO()
        torch.save(dict(state_dict=state, meta=meta), buffer)
        return buffer.getvalue()
    if path.endswith('.safetensors'):
        from safetensors.torch import save

        state = {name: tensor.contiguous() for name, tensor in state.items()}
        # One entry: several would come in another order each time.
        return save(state, dict(meta=json.dumps(meta)))
    raise ValueError(f'{path} must end in one of {SUFFIXES}')


def write_new(path: str, content: bytes) -> None:
    """Write a file that does not exist yet, all of it or nothing.

    Raises:
        FileExistsError: There is one.
    """
    if os.path.exists(path):
        raise FileExistsError(f'{path} exists; it is not overwritten')
    with atomic_write(path) as partial, open(partial, 'wb') as file:
        file.write(content)
