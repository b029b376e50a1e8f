"""Keep freed memory in the process, as PyTorch does on GPUs."""

import ctypes
import logging
import os

logger = logging.getLogger(__name__)

# <malloc.h> of the GNU C library; larger blocks always go back to the system.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# What is asked for, and the most that versions before 2.35 let one ask for.
_LARGEST_KEPT = 1 << 30, 32 << 20


def keep_freed_memory() -> bool:
    """Stop the GNU C library from giving freed tensors back to the system.

    A forward pass allocates and frees tensors of megabytes by the hundred.
    Given back, each costs the next one a page fault for every 4 KiB, which
    can take as long as all the arithmetic (docs/cpu_kernels.md). Blocks of up
    to 1 GiB, 32 MiB in an old library, now stay and are never trimmed: the
    process remains as large as it has once been. This concerns the whole
    process, so a line of the log says it.

    `MMVIDEOMAMBA_KEEP_MEMORY=0` switches it off. Environment variables
    MALLOC_* or GLIBC_TUNABLES set by the user, and other C libraries, are left
    alone.

    Returns:
        bool: Whether the setting was made.
    """
    kept = _allowed() and _set_thresholds()
    if kept:
        logger.info(
            'freed memory stays in this process, for the speed of its CPU '
            'kernels; MMVIDEOMAMBA_KEEP_MEMORY=0 gives it back to the system'
        )
    return kept


def _allowed() -> bool:
    if os.environ.get('MMVIDEOMAMBA_KEEP_MEMORY') == '0':
        return False
    chosen = [name for name in os.environ if name.startswith('MALLOC_')]
    return not chosen and 'GLIBC_TUNABLES' not in os.environ


def _set_thresholds() -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return any(
        mallopt(_M_MMAP_THRESHOLD, size) for size in _LARGEST_KEPT
    ) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
