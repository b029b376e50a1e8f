"""Whether Triton can run anything on this machine."""

import triton


@triton.jit
def idle_kernel(number):
    """Do nothing."""


def try_launch() -> None:
    """Launch a kernel on the current device; Triton raises what is missing.

    Importing Triton says little: before its first kernel it looks for a
    driver, and a C compiler makes the library that launches. A number is the
    only argument: unlike a tensor it is real while torch.compile traces.
    """
    idle_kernel[(1,)](2)
