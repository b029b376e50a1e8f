"""A model in a folder: config.json, and model.safetensors beside it.

description  what config.json may say
folder       reading and writing the files
"""

from .description import FORMAT, check_description
from .folder import (
    CONFIG,
    WEIGHTS,
    ModelFolder,
    is_model_folder,
    read_description,
    read_model_folder,
    weights_in,
    write_description,
)

__all__ = [
    'CONFIG',
    'FORMAT',
    'WEIGHTS',
    'ModelFolder',
    'check_description',
    'is_model_folder',
    'read_description',
    'read_model_folder',
    'weights_in',
    'write_description',
]
