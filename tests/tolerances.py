"""The one tolerance table; the check on a GPU reads it too."""

import torch

# Largest error allowed against the float64 reference, relative to the largest
# magnitude of the compared tensor: (outputs, gradients). Inputs and parameters
# are rounded to the dtype first, so only the arithmetic is measured.
TOLERANCES = {
    torch.float64: (1e-12, 1e-12),
    torch.float32: (2e-6, 1e-5),
    torch.bfloat16: (8e-3, 8e-3),
    torch.float16: (1e-3, 1e-3),
}
# The same on a GPU, whose exponential may be off by two units in the last
# place: docs/scan_backends.md estimates what that makes of decays near one.
GPU_TOLERANCES = {**TOLERANCES, torch.float32: (4e-6, 5e-5)}


def gpu_tolerances(dtype, chain=False):
    """Those of an operator on a GPU, or of the chain that `mamba_inner` is.

    In 16 bits it rounds what each of its parts hands to the next, and so does
    the reference in that dtype.
    """
    slack = 2 if chain and dtype.itemsize == 2 else 1
    return tuple(slack * tolerance for tolerance in GPU_TOLERANCES[dtype])


def relative_errors(actual, expected):
    """The largest error by name, over the largest magnitude expected."""
    errors = {}
    for name, wide in expected.items():
        error = (actual[name].double() - wide.double()).abs().max().item()
        errors[name] = error / (wide.abs().max().item() or 1.0)
    return errors
