"""Which of PyTorch's ways to differentiate are at work.

Kernels have a derivative in reverse mode and nothing else. The rest would not
fail but give zeros (forward-mode AD), or fail in PyTorch's words
(`torch.func.grad` and what is made of it). So the public functions ask first
and take the reference, and a registered operator called by itself refuses.
"""

import torch
from torch._C._functorch import TransformType
from torch.autograd import forward_ad


def takes_other_derivatives() -> bool:
    """Whether forward-mode AD or a `torch.func` derivative is at work."""
    return forward_ad._current_level >= 0 or any(
        level.key() != TransformType.Vmap
        for level in torch._C._functorch.get_interpreter_stack() or ()
    )


# A compiler asks once, while it traces, and guards on both by itself.
takes_other_derivatives._dynamo_marked_constant = True  # type: ignore[attr-defined]


def is_mapped() -> bool:
    """Whether the caller is inside of `torch.func.vmap`.

    There a tensor that stands for a batch does not know that it requires
    gradients.
    """
    return torch._C._functorch.peek_interpreter_stack() is not None


def refuse_forward_mode() -> None:
    """Raise where an operator's tangent would silently be zero."""
    if forward_ad._current_level >= 0:
        raise RuntimeError(
            'torch.ops.mmvideomamba has no forward-mode derivatives; call the '
            'functions of mmvideomamba.ops, which take the reference then'
        )
