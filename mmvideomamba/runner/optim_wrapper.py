"""bfloat16 training on any device."""

from contextlib import contextmanager
from typing import Iterator

import torch
from mmengine.optim import OptimWrapper
from mmengine.runner.amp import autocast
from torch import nn

from ..registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BF16OptimWrapper(OptimWrapper):
    """Run forward passes under bfloat16 autocast; needs no loss scaling.

    mmengine's `AmpOptimWrapper` refuses CPUs and scales losses, which
    bfloat16, with float32's range, does not need. Takes the arguments of
    `OptimWrapper`.

    Raises:
        RuntimeError: The GPU has no bfloat16 arithmetic.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast the forward pass of `model`."""
        if torch.cuda.is_available() and not torch.cuda.is_bf16_supported(
            including_emulation=False
        ):
            raise RuntimeError(
                f'{torch.cuda.get_device_name()} has no bfloat16. Train in '
                'float16 with --amp fp16, or in float32 with '
                "optim_wrapper.type='OptimWrapper'"
            )
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield
