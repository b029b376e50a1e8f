"""A run for the eye: a bar, and a line for each epoch or test.

The log file has everything, as ever; warnings still come to the terminal.
"""

import logging
import sys
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional
from unittest import mock

from mmengine.dist import is_main_process, master_only
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.utils import ProgressBar
from torch.utils.data import DataLoader

from ..registry import HOOKS


@contextmanager
def quiet_terminal() -> Iterator[None]:
    """Loggers that are made in the context tell a terminal warnings alone."""
    init = MMLogger.__init__

    def init_quiet(self: MMLogger, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        for handler in self.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(max(handler.level, logging.WARNING))
                handler.addFilter(_is_news)

    with mock.patch.object(MMLogger, '__init__', init_quiet):
        yield


@HOOKS.register_module()
class EpochLinesHook(Hook):
    """Print one line for each epoch; on a terminal, a bar until then.

        epoch 3/23  loss 1.273  acc/top1 0.6125

    With `quiet_terminal`, that is all of a training.
    """

    # After the hooks that measure, and after what they log.
    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.bar: Optional[ProgressBar] = None

    def before_train_epoch(self, runner: Runner) -> None:
        """Start the bar."""
        self._start(runner.train_dataloader)

    def before_val_epoch(self, runner: Runner) -> None:
        """Start the bar of the validation."""
        self._start(runner.val_dataloader)

    def before_test_epoch(self, runner: Runner) -> None:
        """Start the bar of the test."""
        self._start(runner.test_dataloader)

    def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update()

    after_val_iter = after_test_iter = after_train_iter

    def after_train_epoch(self, runner: Runner) -> None:
        """Print the line, unless the epoch is validated first."""
        self._end()
        if not _is_validated(runner.train_loop):
            _print(_epoch(runner, runner.epoch + 1))

    def after_val_epoch(
        self, runner: Runner, metrics: Optional[Dict[str, float]] = None
    ) -> None:
        """Print the line of the epoch, or that of a validation alone."""
        self._end()
        trained = runner.epoch > 0
        start = _epoch(runner, runner.epoch) if trained else ['validation']
        _print(start + _named(metrics))

    def after_test_epoch(
        self, runner: Runner, metrics: Optional[Dict[str, float]] = None
    ) -> None:
        """Print the line of the test."""
        self._end()
        _print(['test', *_named(metrics)])

    def _start(self, loader: DataLoader) -> None:
        if is_main_process() and sys.stderr.isatty():
            self.bar = ProgressBar(len(loader), file=sys.stderr)

    def _end(self) -> None:
        if self.bar is not None:
            # The line is for what comes next.
            print('\r\033[K', end='', file=sys.stderr, flush=True)
            self.bar = None


def _epoch(runner: Runner, epoch: int) -> List[str]:
    parts = [f'epoch {epoch}/{runner.max_epochs}']
    losses = runner.message_hub.log_scalars.get('train/loss')
    if losses is not None:
        loss = losses.mean(len(runner.train_dataloader))
        parts.append(f'loss {loss:.3f}')
    return parts


def _named(metrics: Optional[Dict[str, float]]) -> List[str]:
    return [f'{name} {value:.4f}' for name, value in (metrics or {}).items()]


@master_only
def _print(parts: List[str]) -> None:
    print('  '.join(parts), flush=True)


def _is_news(record: logging.LogRecord) -> bool:
    """Not mmengine's line for every parameter that is frozen on purpose."""
    return not record.getMessage().endswith('since its requires_grad=False')


def _is_validated(loop: Any) -> bool:
    """Whether a validation follows the epoch that ends."""
    if (
        not isinstance(loop, EpochBasedTrainLoop)
        or loop.runner.val_loop is None
    ):
        return False
    epoch = loop.epoch + 1
    return epoch >= loop.val_begin and (
        epoch % loop.val_interval == 0 or epoch == loop.max_epochs
    )
