"""A run whose loss or weights are not finite ends."""

from typing import Any, Iterator, Optional, Tuple

import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import is_model_wrapper
from torch import Tensor, nn

from ..checkpoints.saved_states import newest_state
from ..checkpoints.tensor_checks import are_finite, is_finite
from .checkpoint_writing import AnyRunner

INTERVAL = 10


class StopWhenNotFiniteHook(Hook):
    """End a run that has failed, and save no weights that are not finite.

    Every run has it. What is not finite is noted on the device; the note is
    read, and the weights are looked at, every 10 iterations. Single losses
    that are not finite are no failure: a loss scaler skips their step. The
    weights then stay finite; where 10 losses in a row are not, nothing is
    trained any more.

    Raises:
        ValueError: The run has failed; the last sound checkpoint is named.
    """

    priority = 'LOW'  # after the log and the averaged weights, before saving

    def before_train(self, runner: AnyRunner) -> None:
        """Begin to count."""
        self._since = 0  # iterations
        self._any_sound: Optional[Tensor] = None  # one of their losses

    def after_train_iter(
        self,
        runner: AnyRunner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Note whether the loss is finite; look every few iterations."""
        loss = (outputs or {}).get('loss')
        if isinstance(loss, Tensor):
            sound = loss.detach().isfinite().all()
            if self._any_sound is not None:
                sound = sound | self._any_sound
            self._any_sound = sound
        self._since += 1
        if self._since < INTERVAL:
            return
        if self._any_sound is not None and not self._any_sound:
            self._fail(runner, f'the last {INTERVAL} losses are not finite')
        self._require_finite_weights(runner)
        self.before_train(runner)

    def after_train_epoch(self, runner: AnyRunner) -> None:
        """Look at the weights that are going to be validated."""
        self._require_finite_weights(runner)

    def before_save_checkpoint(
        self, runner: AnyRunner, checkpoint: dict
    ) -> None:
        """Look at what is going to be saved: weights, averages, moments."""
        parameters = {name for name, _ in _model(runner).named_parameters()}
        wrong = [
            f'{part}.{name}'
            for part, name, value in _tensors(checkpoint)
            if not is_finite(value)
            # Buffers of other models may hold -inf, such as masks.
            and (
                part == 'optimizer'
                or name.replace('module.', '') in parameters
                or bool(value.isnan().any())
            )
        ]
        if wrong:
            self._fail(runner, f'{_few(wrong)} are not finite')

    def _require_finite_weights(self, runner: AnyRunner) -> None:
        named = {
            name: p
            for name, p in _model(runner).named_parameters()
            if p.is_floating_point() and p.device.type != 'meta'
        }
        if are_finite(named.values()):
            return
        wrong = [name for name, p in named.items() if not is_finite(p)]
        if wrong:
            self._fail(runner, f'the weights {_few(wrong)} are not finite')

    def _fail(self, runner: AnyRunner, reason: str) -> None:
        folders = [
            hook.out_dir
            for hook in runner.hooks
            if isinstance(hook, CheckpointHook) and hook.out_dir
        ]
        found, _ = newest_state((folders or [runner.work_dir])[0])
        raise ValueError(
            f'the training has failed at iteration {runner.iter + 1}: '
            f'{reason}. Last sound checkpoint: {found or "none"}. Train on '
            'from it, or anew, with a smaller learning rate, '
            'optim_wrapper.clip_grad or without --amp'
        )


def _model(runner: AnyRunner) -> nn.Module:
    model = runner.model
    return model.module if is_model_wrapper(model) else model


def _tensors(checkpoint: dict) -> Iterator[Tuple[str, str, Tensor]]:
    """Part, name and value of what has to be finite in a checkpoint."""
    for part in ('state_dict', 'ema_state_dict'):
        for name, value in (checkpoint.get(part) or {}).items():
            if _has_values(value):
                yield part, name, value
    yield from _moments(checkpoint.get('optimizer') or {}, '')


def _moments(state: dict, prefix: str) -> Iterator[Tuple[str, str, Tensor]]:
    for name, values in state.items():
        if isinstance(values, dict) and name != 'state':
            yield from _moments(values, f'{prefix}{name}.')  # of several
        elif isinstance(values, dict):
            for number, moments in values.items():
                for key, value in moments.items():
                    if _has_values(value):
                        yield 'optimizer', f'{prefix}{number}.{key}', value


def _has_values(value: Any) -> bool:
    return (
        type(value) in (Tensor, nn.Parameter)
        and value.layout == torch.strided
        and not value.is_quantized
    )


def _few(names: list) -> str:
    more = len(names) - 3
    return ', '.join(map(repr, names[:3])) + f' and {more} more' * (more > 0)
