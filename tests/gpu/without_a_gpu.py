"""The operators' GPU kernels on CPU tensors, run from their PTX."""

import ptxrun

# Of the GPU that is imagined, an H100: they decide how a scan is cut.
MULTIPROCESSORS = 132


def run_operators_from_ptx(capability: int) -> None:
    """Have the operators take CPU tensors with `backend='triton'`.

    For the rest of the process.

    Args:
        capability (int): Of the GPU to compile for, ten times.
    """
    ptxrun.install(capability)
    from mmvideomamba.ops import interface, triton_kernels, triton_scan

    interface.ENGINES['triton'].why_not = lambda device: None
    triton_scan._load = lambda: triton_kernels
    imagine_multiprocessors(MULTIPROCESSORS)


def imagine_multiprocessors(count: int) -> None:
    """With many, a scan of few sequences is cut into segments."""
    from mmvideomamba.ops.triton_kernels import scan

    scan.multiprocessors = lambda device: count
