"""The operators' GPU kernels on CPU tensors, run from their PTX."""

import sys
from pathlib import Path

import ptxrun

sys.path.append(str(Path(__file__).resolve().parents[1]))

# Of the GPU that is imagined, an H100: they decide how a scan is cut.
MULTIPROCESSORS = 132


def run_operators_from_ptx(capability: int) -> None:
    """Have the operators take CPU tensors with `backend='triton'`.

    For the rest of the process.

    Args:
        capability (int): Of the GPU to compile for, ten times.
    """
    ptxrun.install(capability)
    from triton_on_cpu import let_cpu_take_triton

    let_cpu_take_triton()
    imagine_multiprocessors(MULTIPROCESSORS)


def imagine_multiprocessors(count: int) -> None:
    """With many, a scan of few sequences is cut into segments."""
    from mmvideomamba.ops.triton import launch

    launch.multiprocessors = lambda device: count
