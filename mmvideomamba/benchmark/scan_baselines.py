"""Baselines: public implementations of the scan.

Each takes one direction at a time, which is its interface. Inputs are those of
`selective_scan`, by name, for K = 2: token order, then its reversal.
"""

import importlib
from typing import Callable, Dict, NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops import mamba_ssm


class Implementation(NamedTuple):
    """How an implementation is fed and called.

    Attributes:
        scan (Callable): What `arrange` returned -> the gated output.
        why_not (Callable): Device type -> what keeps it from running there,
            None where it runs.
        arrange (Callable): Inputs of `selective_scan` -> tensors by name, in
            the layout in which its users have them: no part of its time.
        trainable (bool): Whether its backward pass is worth timing.
    """

    scan: Callable[[Dict[str, Tensor]], Tensor]
    why_not: Callable[[str], Optional[str]]
    arrange: Callable[[Dict[str, Tensor]], Dict[str, Tensor]] = dict
    trainable: bool = True


def arrange_for_mamba_ssm(inputs: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """Channels before tokens; see `mamba_ssm_twice`.

    Returns:
        dict[str, Tensor]: For direction k `u_k` (B, D, L) in token order;
        `delta_k` (B, D, L), `B_k` and `C_k` (B, N, L) in scan order; `A_k`
        (D, N), `D_k` and `delta_bias_k` (D,). Of both `z` (B, D, L).
    """
    arranged = dict(z=inputs['z'].transpose(1, 2).contiguous())
    for name in ('u', 'delta', 'B', 'C'):
        for k, t in enumerate(inputs[name]):
            if k == 1 and name != 'u':
                t = t.flip(1)
            arranged[f'{name}_{k}'] = t.transpose(1, 2).contiguous()
    for name in ('A', 'D', 'delta_bias'):
        for k, t in enumerate(inputs[name]):
            arranged[f'{name}_{k}'] = t
    return arranged


def mamba_ssm_twice(inputs: Dict[str, Tensor]) -> Tensor:
    """mamba-ssm's scan, a call per direction: what is done without us.

    Its kernel runs in one direction only, so Vim flips the sequence before the
    convolution of the second direction, and the output back after its scan.
    That is timed: a flip (of u, as large as what the convolution would get),
    two calls, the flip back, the sum, the gate. Not timed, because models
    built on mamba-ssm have it so: tokens innermost in memory, and the second
    direction's delta, B and C in scan order, as projections of a flipped
    sequence are.

    The directions share z, so gating once after the sum is exact. Vim passes z
    to both calls instead, which moves more memory: z is read twice and flipped
    once more, and each call writes its output with and without the gate.

    Returns:
        Tensor: (B, D, L).
    """
    scan = mamba_ssm.selective_scan_fn()

    def scan_direction(k: int, u: Tensor) -> Tensor:
        names = ('delta', 'A', 'B', 'C', 'D')
        return scan(
            u,
            *(inputs[f'{name}_{k}'] for name in names),
            delta_bias=inputs[f'delta_bias_{k}'],
            delta_softplus=True,
        )

    forward = scan_direction(0, inputs['u_0'])
    reverse = scan_direction(1, inputs['u_1'].flip(-1)).flip(-1)
    return (forward + reverse) * F.silu(inputs['z'])


def why_not_mamba_ssm(device_type: str) -> Optional[str]:
    if device_type != 'cuda':
        return f'it runs on cuda tensors, not on {device_type}'
    return mamba_ssm.selective_scan_fn.why_not()


def per_direction(scan: Callable) -> Callable[[Dict[str, Tensor]], Tensor]:
    """Serve K directions with a scan that knows one: reorder, sum, gate."""

    def run(inputs: Dict[str, Tensor]) -> Tensor:
        out = 0
        for k, order in enumerate(inputs['order']):
            u, delta, B, C = (
                inputs[name][k].index_select(1, order)
                for name in ('u', 'delta', 'B', 'C')
            )
            delta = F.softplus(delta.float() + inputs['delta_bias'][k])
            y = scan(u, delta, inputs['A'][k], B, C, inputs['D'][k])
            out = out + y.index_select(1, order.argsort())
        return out * F.silu(inputs['z'])

    return run


def mambapy_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor
) -> Tensor:
    """The parallel scan of mamba.py, over materialised decays."""
    from mambapy.pscan import pscan

    decay = torch.exp(delta.unsqueeze(-1) * A)
    drive = (delta * u).unsqueeze(-1) * B.unsqueeze(2)
    states = pscan(decay, drive)
    return (states @ C.float().unsqueeze(-1)).squeeze(-1) + D * u


def transformers_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor
) -> Tensor:
    """The path without kernels of Hugging Face's Mamba."""
    from transformers.models.mamba.modeling_mamba import mamba_selective_scan

    u, delta, B, C = (t.float().transpose(1, 2) for t in (u, delta, B, C))
    return mamba_selective_scan(u, delta, A, B, C, D).transpose(1, 2)


def needs(module: str, attribute: str) -> Callable[[str], Optional[str]]:
    """A `why_not` of what runs wherever a module can be imported."""
    package = module.partition('.')[0]

    def why_not(device_type: str) -> Optional[str]:
        try:
            getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            return f'{error}; pip install {package}'
        return None

    return why_not


BASELINES = {
    'mamba-ssm-twice': Implementation(
        mamba_ssm_twice, why_not_mamba_ssm, arrange_for_mamba_ssm
    ),
    'mambapy': Implementation(
        per_direction(mambapy_scan), needs('mambapy.pscan', 'pscan')
    ),
    # It indexes each step: a backward pass of minutes, O(L^2) memory.
    'transformers': Implementation(
        per_direction(transformers_scan),
        needs(
            'transformers.models.mamba.modeling_mamba', 'mamba_selective_scan'
        ),
        trainable=False,
    ),
}
