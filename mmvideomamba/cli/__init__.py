"""What the command lines of the tools share."""

from .arguments import (
    add_cfg_options,
    add_model_arguments,
    add_out,
    add_run_arguments,
    add_video,
    existing_file,
    existing_path,
    file_or_url,
    make_parser,
    positive_int,
    read_run_config,
)
from .errors import one_line_errors

__all__ = [
    'add_cfg_options',
    'add_model_arguments',
    'add_out',
    'add_run_arguments',
    'add_video',
    'existing_file',
    'existing_path',
    'file_or_url',
    'make_parser',
    'one_line_errors',
    'positive_int',
    'read_run_config',
]
