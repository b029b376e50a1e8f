"""What the operators say reaches the log of a run."""

import logging

import torch
from mmengine.logging import MMLogger

from mmvideomamba.ops import api, causal_conv1d
from mmvideomamba.runner import show_in_current_log


def test_a_run_logs_its_scan_backend_once(tmp_path):
    show_in_current_log()  # as importing the package does already
    path = tmp_path / 'run.log'
    log = MMLogger.get_instance(tmp_path.name, log_file=str(path))
    api._first_runnable.cache_clear()
    for _ in range(2):
        causal_conv1d(torch.ones(1, 2, 3), torch.ones(1, 3, 4))
    for handler in log.handlers:
        handler.flush()
    backend = api.choose_backend('auto', torch.device('cpu'))
    assert path.read_text().count(f'scan backend on cpu: {backend}') == 1
    logging.getLogger('mmvideomamba.ops').debug('not for the log')
    assert 'not for the log' not in path.read_text()
