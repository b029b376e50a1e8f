"""The check without a GPU: the same code on the CPU, at toy sizes.

Triton's interpreter runs the kernels, stand-ins take the place of mamba-ssm.
"""

import sys

from .machine import ROOT


def rehearse() -> None:
    """Have CPU tensors take the backends of a GPU, in all of this process.

    TRITON_INTERPRET=1 is in its environment: Triton asks at its import.
    """
    sys.path.append(str(ROOT / 'tests'))
    from mamba_ssm_stand_ins import MODULES
    from triton_on_cpu import let_cpu_take_triton

    from mmvideomamba.ops import mamba_ssm

    sys.modules.update(MODULES)
    mamba_ssm.why_not = lambda device_type: None
    let_cpu_take_triton()
