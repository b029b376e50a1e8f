"""mamba-ssm and causal-conv1d as far as their public functions go.

The stand-ins have the signatures, insist on the rules and compute with the
reference.
"""

from types import ModuleType

import torch

from mmvideomamba.ops import reference


def selective_scan_fn(
    u,
    delta,
    A,
    B,
    C,
    D=None,
    z=None,
    delta_bias=None,
    delta_softplus=False,
    return_last_state=False,
):
    """mamba_ssm.selective_scan_fn: (batch, dim, length).

    B and C are (batch, state, length), or have groups in second place.
    """
    batch, dim, length = u.shape
    if B.ndim == 3:
        B, C = B[:, None], C[:, None]
    groups = B.shape[1]
    assert u.numel() > 0 and A.shape[1] <= 256
    assert delta.shape == u.shape
    assert B.shape == C.shape == (batch, groups, A.shape[1], length)
    for t in (u, delta, B, C):
        assert t.stride(-1) == 1
        assert t.dtype == u.dtype
        assert t.dtype in (torch.float32, torch.float16, torch.bfloat16)
    for t in (A, D, delta_bias):
        assert t is None or (t.dtype == torch.float32 and t.is_contiguous())
        assert t is None or t.shape[0] == dim
    out = []
    for g in range(groups):
        block = slice(g * dim // groups, (g + 1) * dim // groups)
        y = reference.selective_scan(
            u[:, block].transpose(1, 2)[None],
            delta[:, block].transpose(1, 2)[None],
            A[None, block],
            B[:, g].transpose(1, 2)[None],
            C[:, g].transpose(1, 2)[None],
            None if D is None else D[None, block],
            None,
            None if delta_bias is None else delta_bias[None, block],
            delta_softplus,
            None,
        )
        out.append(y.transpose(1, 2))
    return torch.cat(out, dim=1)


def causal_conv1d_fn(
    x,
    weight,
    bias=None,
    seq_idx=None,
    initial_states=None,
    return_final_states=False,
    final_states_out=None,
    activation=None,
):
    """causal_conv1d.causal_conv1d_fn: (batch, dim, length)."""
    assert x.stride(2) == 1 or (
        x.stride(1) == 1 and x.stride(0) % 8 == x.stride(2) % 8 == 0
    )
    assert x.numel() > 0 and weight.shape[0] == x.shape[1]
    assert 2 <= weight.shape[1] <= 4
    assert bias is None or bias.dtype == weight.dtype
    assert activation in (None, 'silu', 'swish')
    bias = None if bias is None else bias[None]
    out = reference.causal_conv1d(
        x.transpose(1, 2), weight[None], bias, None, activation
    )
    return out[0].transpose(1, 2)


def _modules():
    modules = {}
    for function, package, extension in (
        (selective_scan_fn, 'mamba_ssm', 'selective_scan_cuda'),
        (causal_conv1d_fn, 'causal_conv1d', 'causal_conv1d_cuda'),
    ):
        modules[package] = ModuleType(package)
        setattr(modules[package], function.__name__, function)
        modules[extension] = ModuleType(extension)
    return modules


# The packages and their extensions, for `sys.modules`.
MODULES = _modules()
