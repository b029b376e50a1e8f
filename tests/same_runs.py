"""What two runs leave behind, compared to the bit; times and folders apart."""

import json
import os
from pathlib import Path

import numpy as np
import torch


def assert_same_runs(actual, expected):
    """The same checkpoints and the same curves in two work dirs."""
    # Names with a dot are what a killed process was writing.
    names = [
        sorted(path.name for path in Path(folder).glob('[!.]*.pth'))
        for folder in (actual, expected)
    ]
    assert names[0] == names[1]
    for name in names[0]:
        states = (
            state_of(Path(folder, name)) for folder in (actual, expected)
        )
        assert_same(*states, name)
    assert_same(curves_of(actual), curves_of(expected), 'curves')


def state_of(path):
    """All that a checkpoint has of a run."""
    # Of a run of our own.
    state = torch.load(path, weights_only=False)
    meta, hub = state['meta'], state['message_hub']
    info = hub['runtime_info']
    for key in ('cfg', 'experiment_name', 'eta', 'time'):
        info.pop(key, None)
        meta.pop(key, None)
    for key in ('last_ckpt', 'best_ckpt'):
        if key in info:
            info[key] = os.path.basename(info[key])
    hub['log_scalars'] = {
        key: buffer.data
        for key, buffer in hub['log_scalars'].items()
        if 'time' not in key
    }
    return state


def curves_of(work_dir):
    """The logged lines of all runs in a folder, the first run's first.

    What a killed run has logged after its last checkpoint comes again.
    """
    lines = {}
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            values = json.loads(line)
            kind = 'train' if 'lr' in values else 'val'
            values = {k: v for k, v in values.items() if 'time' not in k}
            lines[kind, values['step']] = values
    return lines


def assert_same(actual, expected, where):
    """Equal to the bit, through dicts, lists and tensors."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys(), where
        for key in expected:
            assert_same(actual[key], expected[key], f'{where}.{key}')
    elif isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected), where
        for index, pair in enumerate(zip(actual, expected)):
            assert_same(*pair, f'{where}[{index}]')
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(actual, expected), where
    elif isinstance(expected, np.ndarray):
        assert np.array_equal(actual, expected), where
    else:
        assert actual == expected, where
