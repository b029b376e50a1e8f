"""The loops that a run is going to go through."""

from typing import Any, Iterator, Tuple

from mmengine.runner import Runner
from torch.utils.data import DataLoader


def built_loops(runner: Runner) -> Iterator[Tuple[str, Any]]:
    """Each loop of this run, with a data loader, from `before_run` on.

    Yields:
        tuple: 'train', 'val' or 'test', and the loop.
    """
    for name in ('train', 'val', 'test'):
        # Asked as a public property, a loop would be built.
        loop = getattr(runner, f'_{name}_loop')
        # Loops that do not run stay None or configs.
        if isinstance(getattr(loop, 'dataloader', None), DataLoader):
            yield name, loop
