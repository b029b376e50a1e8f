"""Write a state dict to a new .pth or .safetensors file."""

import io
import json
import os
from typing import Dict

import torch
from torch import Tensor

from ..files import write_bytes
from .reading import split_safetensors
from .settings import recorded_settings, with_settings


def encode_weights(state: Dict[str, Tensor], meta: dict, path: str) -> bytes:
    """Return the bytes of a file with these weights.

    Args:
        state (dict): A recognizer's state dict; saved on the CPU, with the
            settings that it records.
        meta (dict): Written beside it; plain values.
        path (str): Its suffix is the format, '.pth' or '.safetensors'.

    Raises:
        ValueError: Another suffix.
    """
    settings = recorded_settings(state)
    state = {name: tensor.cpu() for name, tensor in state.items()}
    if path.endswith('.pth'):
        buffer = io.BytesIO()
        state = with_settings(state, settings)
        torch.save(dict(state_dict=state, meta=meta), buffer)
        return buffer.getvalue()
    if path.endswith('.safetensors'):
        from safetensors.torch import save

        state = {name: tensor.contiguous() for name, tensor in state.items()}
        try:
            header = dict(meta=json.dumps(meta))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f'{path}: the meta of a .safetensors is plain values, got '
                f'something else ({error}). Write a .pth, or leave it out'
            ) from error
        if settings:
            header['settings'] = json.dumps(settings)
        return _sort_header(save(state, header))
    raise ValueError(f'expected a .pth or .safetensors, got {path}')


def require_new(path: str) -> None:
    """Raise a FileExistsError where there is such a file."""
    if os.path.exists(path):
        raise FileExistsError(f'{path} exists; it is not overwritten')


def _sort_header(content: bytes) -> bytes:
    """The same .safetensors; its metadata come in a random order."""
    header, tensors = split_safetensors(content)
    head = json.dumps(header, sort_keys=True).encode()
    head += b' ' * (-len(head) % 8)
    return len(head).to_bytes(8, 'little') + head + tensors


def write_new(path: str, content: bytes) -> None:
    """Write a new file, see `require_new`, all of it or nothing."""
    require_new(path)
    write_bytes(path, content)
