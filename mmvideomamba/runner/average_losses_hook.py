"""The losses of the batch of all processes, in the log."""

from typing import Any, Optional

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..registry import HOOKS
from .batches import count_clips


@HOOKS.register_module()
class AverageLossesHook(Hook):
    """Log losses and accuracies averaged over the clips of all processes.

    mmengine logs those of the first process. They are averaged in every
    iteration, with one small reduction behind those of the gradients, and go
    on to log, message hub, checkpoints and curves. All processes must log the
    same names. A single process averages nothing.
    """

    # Before RuntimeInfoHook, which writes them down.
    priority = 'HIGHEST'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Replace the values of `outputs`, tensors of one number."""
        if runner.world_size == 1 or not outputs:
            return
        names = [
            name
            for name, value in outputs.items()
            if isinstance(value, torch.Tensor) and value.numel() == 1
        ]
        if not names:
            return
        clips = count_clips(data_batch)
        values = [outputs[name].detach().double().view(()) for name in names]
        sums = torch.stack([*values, torch.ones_like(values[0])]) * clips
        all_reduce(sums)
        means = (sums[:-1] / sums[-1]).float()
        outputs.update(zip(names, means.unbind()))
