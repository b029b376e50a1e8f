"""Progress of a long loop: a bar on a terminal, a few lines in a log."""

import sys
import time
from typing import Iterable, Iterator, TypeVar

from mmengine.utils import ProgressBar

Item = TypeVar('Item')

LINES_IN_A_LOG = 10


def track(items: Iterable[Item], total: int) -> Iterator[Item]:
    """Yield the items, with a progress bar on the standard error.

    Args:
        items (Iterable): What to loop over.
        total (int): Their number.
    """
    is_terminal = sys.stderr.isatty()
    # mmengine's bar overwrites itself; a file would keep every copy.
    bar = ProgressBar(total, file=sys.stderr) if is_terminal else None
    start = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if bar is not None:
            bar.update()
        elif done * LINES_IN_A_LOG % total < LINES_IN_A_LOG:
            elapsed = time.monotonic() - start
            left = elapsed / done * (total - done)
            print(
                f'{done}/{total}, {elapsed:.0f} s, {left:.0f} s to go',
                file=sys.stderr,
                flush=True,
            )
    if bar is not None:
        print(file=sys.stderr)
