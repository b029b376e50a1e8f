"""The states of a run in its folder: which is the newest that is sound."""

import os
from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Tuple, Union

from .tensor_checks import require_weights
from .torch_files import DamagedFile, UnsafeFile, read_outline, read_torch

# What a run is resumed with; best_*.pth have no optimizer.
PARTS = ('meta', 'state_dict', 'message_hub', 'optimizer')


class SavedState(NamedTuple):
    """A file that a run can be resumed from, as far as it was looked at."""

    time: str  # when it was saved, as the runner writes it
    iteration: int
    path: Path


def newest_state(
    folder: Union[str, Path], besides: Union[str, Path, None] = None
) -> Tuple[Optional[str], List[str]]:
    """Find the newest checkpoint in a folder that a run can go on from.

    Newest by the time that the checkpoint records, then by its iterations:
    names and dates of files change when a folder is copied.

    Args:
        folder (str | Path): A work dir, or where its checkpoints are.
        besides (str | Path, optional): A file that is not to be found.

    Returns:
        tuple: Its path, read in whole and found sound, or None; and lines
        about newer ones that are not sound.
    """
    states, problems = _look_at(Path(folder), besides)
    for state in sorted(states, reverse=True):
        try:
            with open(state.path, 'rb') as stream:
                content = read_torch(stream)
            require_weights(content['state_dict'], state.path.name, True)
        except (OSError, ValueError) as error:
            problems.append(f'{state.path.name}: {error}')
            continue
        return str(state.path), problems
    return None, problems


def take_instead(location: str) -> str:
    """What to do about a file or URL that cannot be used: a sentence."""
    path = os.path.expanduser(location)
    if os.path.isfile(path):
        found, _ = newest_state(os.path.dirname(path) or '.', besides=path)
        if found is not None:
            return f'Take {found}, the newest beside it that is sound.'
    return 'Compare its size with the source and download it again.'


def _look_at(
    folder: Path, besides: Union[str, Path, None]
) -> Tuple[List[SavedState], List[str]]:
    """The states in a folder, and lines about files that are none."""
    states: List[SavedState] = []
    problems: List[str] = []
    for path in sorted(folder.glob('[!.]*.pth')):
        if besides is not None and path.samefile(besides):
            continue
        try:
            content = read_outline(str(path))
        except (OSError, DamagedFile, UnsafeFile) as error:
            problems.append(f'{path.name}: {error}')
            continue
        if _is_state(content):
            meta = content['meta']
            states.append(
                SavedState(str(meta.get('time', '')), meta['iter'], path)
            )
    return states, problems


def _is_state(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and all(isinstance(content.get(part), dict) for part in PARTS)
        and type(content['meta'].get('iter')) is int
    )
