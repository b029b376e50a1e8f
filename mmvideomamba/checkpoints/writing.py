"""Write a state dict to a new .pth or .safetensors file."""

import io
import json
import os
from typing import Dict

import torch
from torch import Tensor

from ..files import atomic_write


def encode_weights(state: Dict[str, Tensor], meta: dict, path: str) -> bytes:
    """Return the bytes of a file with these weights.

    Args:
        state (dict): A recognizer's state dict; saved on the CPU.
        meta (dict): Written beside it; plain values.
        path (str): Its suffix is the format, '.pth' or '.safetensors'.

    Raises:
        ValueError: Another suffix.
    """
    state = {name: tensor.cpu() for name, tensor in state.items()}
    if path.endswith('.pth'):
        buffer = io.BytesIO()
        torch.save(dict(state_dict=state, meta=meta), buffer)
        return buffer.getvalue()
    if path.endswith('.safetensors'):
        from safetensors.torch import save

        state = {name: tensor.contiguous() for name, tensor in state.items()}
        # One entry: several would be written in a random order.
        return save(state, dict(meta=json.dumps(meta)))
    raise ValueError(f'expected a .pth or .safetensors, got {path}')


def require_new(path: str) -> None:
    """Raise a FileExistsError where there is such a file."""
    if os.path.exists(path):
        raise FileExistsError(f'{path} exists; it is not overwritten')


def write_new(path: str, content: bytes) -> None:
    """Write a new file, see `require_new`, all of it or nothing."""
    require_new(path)
    with atomic_write(path) as partial, open(partial, 'wb') as file:
        file.write(content)
