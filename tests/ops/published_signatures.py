"""The signatures of what the backend `mamba_ssm` calls, as published.

Read from the source distributions of all versions from the oldest to the
newest that the extra `cuda` of pyproject.toml allows, which agree: mamba-ssm
2.2.0 to 2.3.2.post1, causal-conv1d 1.4.0 to 1.7.0.
"""

import inspect


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
    """Of mamba_ssm."""


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
    """Of causal_conv1d."""


PUBLISHED = {
    function.__name__: inspect.signature(function)
    for function in (selective_scan_fn, causal_conv1d_fn)
}
