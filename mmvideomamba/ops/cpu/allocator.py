"""Keep freed memory in the process, as PyTorch does on GPUs."""

import ctypes
import os

# <malloc.h> of the GNU C library; larger blocks always go back to the system.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# What is asked for, and the most that versions before 2.35 let one ask for.
_LARGEST_KEPT = 1 << 30, 32 << 20


def keep_freed_memory() -> bool:
    """Stop the GNU C library from giving freed tensors back to the system.

    A forward pass allocates and frees tensors of megabytes by the hundred.
    Given back, each costs the next one a page fault for every 4 KiB, which
    can take as long as all the arithmetic (docs/performance.md). Blocks of up
    to 1 GiB, 32 MiB in an old library, now stay and are never trimmed: the
    process remains as large as it has once been. Environment variables
    MALLOC_* or GLIBC_TUNABLES set by the user, and other C libraries, are left
    alone.

    Returns:
        bool: Whether the setting was made.
    """
    chosen = [name for name in os.environ if name.startswith('MALLOC_')]
    if chosen or 'GLIBC_TUNABLES' in os.environ:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return any(
        mallopt(_M_MMAP_THRESHOLD, size) for size in _LARGEST_KEPT
    ) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
