"""Threads that wait for others give way, so that a busy machine stays usable.

A forward pass meets thousands of barriers. At each, GNU's OpenMP runtime, that
of PyTorch's Linux wheels, spins for milliseconds before it sleeps. Where
another program takes part of a core, the thread that is waited for is the one
that cannot run meanwhile (docs/performance.md).
"""

import os
import sys

# Turns of the waiting loop, a few dozen microseconds. With 8000, a pass alone
# on its machine was 2 % faster, as threads no longer slept while Python went
# from one operator to the next, but training beside a data worker 12 % slower.
_TURNS = '1000'
# The user's own settings.
_CHOICES = ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')


def shorten_waits() -> bool:
    """Have OpenMP's threads spin for microseconds, then sleep.

    The runtime reads its settings when it is loaded, so this does nothing
    once torch is imported. `GOMP_SPINCOUNT` and `OMP_WAIT_POLICY` set by the
    user are left alone.

    Returns:
        bool: Whether the setting was made.
    """
    if 'torch' in sys.modules or any(map(os.environ.get, _CHOICES)):
        return False
    os.environ['GOMP_SPINCOUNT'] = _TURNS
    return True


# When the package is imported, before anything of it imports torch.
SHORTENED = shorten_waits()
