"""The roofline: rates that a machine reaches at most, for the scan."""

from typing import Dict, Optional

import torch

from ..ops import triton
from .timing import fastest

# Vector instructions of an exp on a CPU: range reduction, a polynomial of
# degree five, the exponent.
FMA_PER_EXP = 10


def measure_roofline(device: str) -> Dict[str, Optional[float]]:
    """Measure the rates that bound a scan.

    Args:
        device (str): 'cpu' or 'cuda'.

    Returns:
        dict: `bytes_per_second` of a large copy, read and written, and
        `exps_per_second`. On CUDA it is measured by a chain of exps in
        registers, None where Triton cannot run; on a CPU, where no library's
        exp is as fast as the kernels', it is what the float32 FMA rate of a
        matrix product allows at FMA_PER_EXP of them, and `fma_per_second` is
        there too.
    """
    source = torch.ones(2**26, device=device)
    target = torch.empty_like(source)
    copying = fastest(lambda: target.copy_(source), device)
    rates: Dict[str, Optional[float]] = dict(
        bytes_per_second=2 * source.nbytes / copying
    )
    if device == 'cpu':
        square = torch.rand(2048, 2048)
        multiplying = fastest(lambda: torch.mm(square, square), device)
        fma_per_second = 2048**3 / multiplying
        rates['fma_per_second'] = fma_per_second
        rates['exps_per_second'] = fma_per_second / FMA_PER_EXP
    elif triton.why_not(device) is None:
        from .exp_chain import exps_per_second

        rates['exps_per_second'] = exps_per_second()
    else:
        rates['exps_per_second'] = None
    return rates
