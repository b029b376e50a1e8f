"""What the package logs, in the log of the run."""

import logging

from mmengine.logging import print_log


class CurrentLogHandler(logging.Handler):
    """Pass the records of a Python logger on to mmengine's current log."""

    def emit(self, record: logging.LogRecord) -> None:
        print_log(self.format(record), 'current', record.levelno)


def show_in_current_log() -> None:
    """Have the logger `mmvideomamba` say its INFO where a run says its own.

    The operators know torch alone, so they log with Python's `logging`: the
    scan backend, and that freed memory is kept.
    """
    logger = logging.getLogger('mmvideomamba')
    if not any(isinstance(h, CurrentLogHandler) for h in logger.handlers):
        logger.addHandler(CurrentLogHandler())
        logger.setLevel(logging.INFO)
