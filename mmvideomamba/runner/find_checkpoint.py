"""`--resume` without a file: which checkpoint of the work dir it takes."""

import logging
import os
import os.path as osp
from typing import Any, List, Optional, Tuple

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log

from ..checkpoints.saved_states import newest_state


def find_newest_checkpoint(path: str) -> Optional[str]:
    """`mmengine.runner.find_latest_checkpoint` that looks at the files.

    mmengine goes by `last_checkpoint` alone, whatever it says:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/checkpoint.py

    Args:
        path (str): The work dir.

    Returns:
        str or None: The newest sound checkpoint in it, or, where it has none,
        in the local folder that `last_checkpoint` names (`out_dir` of
        `CheckpointHook`). None if nothing was saved yet.

    Raises:
        ValueError: Nothing that was saved can be resumed.
    """
    outcome: List[Any] = [None]
    if is_main_process():
        try:
            outcome[0] = _search(path)
        except ValueError as error:
            outcome[0] = error
    broadcast_object_list(outcome)
    if isinstance(outcome[0], ValueError):
        raise outcome[0]
    return outcome[0]


def _search(work_dir: str) -> Optional[str]:
    named = _named_by_pointer(work_dir)
    if named is not None and '://' not in named and osp.isdir(named):
        return named  # DeepSpeed's checkpoints are folders
    found, problems = newest_state(work_dir)
    if found is None and not problems and named is not None:
        found, problems = _beside(named)
    for problem in problems:
        print_log(
            f'{work_dir}: passed over {problem}', 'current', logging.WARNING
        )
    if found is None and (problems or named is not None):
        says = 'no last_checkpoint'
        if named is not None:
            says = f'a last_checkpoint that says {named[:200]!r}'
        raise ValueError(
            f'nothing to resume in {work_dir}: it has {says}, and no sound '
            f'checkpoint{"".join(f"; {p}" for p in problems)}. Give the file '
            'to --resume, or start a new run with another --work-dir'
        )
    if found is None:
        print_log('No checkpoint to resume: the run starts.', 'current')
    return found


def _named_by_pointer(work_dir: str) -> Optional[str]:
    """What `last_checkpoint` says, as text."""
    pointer = osp.join(work_dir, 'last_checkpoint')
    if not osp.isfile(pointer):
        return None
    with open(pointer, encoding='utf-8', errors='replace') as file:
        return file.read(os.pathconf('/', 'PC_PATH_MAX')).strip()


def _beside(named: str) -> Tuple[Optional[str], List[str]]:
    """The newest in the folder of a file; addresses are not fetched."""
    folder = osp.dirname(named)
    if '://' in named or '\0' in named or not osp.isdir(folder):
        return None, []
    return newest_state(folder)
