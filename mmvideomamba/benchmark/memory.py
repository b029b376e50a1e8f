"""What a call takes of the memory, and giving it back."""

import ctypes
import json
import os.path as osp
import tempfile
from itertools import accumulate
from typing import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def peak_memory(call: Callable[[], object], device: str) -> int:
    """Bytes that the tensors of a call take at its worst moment.

    On CUDA it is PyTorch's own statistic, on a CPU the sum of the allocations
    that its profiler sees. Both count tensors and not what an allocator
    withholds, so the figures do not depend on what ran before.

    Args:
        call (Callable): What to run; once before, for what it keeps.
        device (str): 'cpu' or 'cuda'.
    """
    call()
    if device == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as p:
        call()
    with tempfile.TemporaryDirectory() as folder:
        trace = osp.join(folder, 'trace.json')
        p.export_chrome_trace(trace)
        with open(trace) as file:
            events = json.load(file)['traceEvents']
    events = [event for event in events if event['name'] == '[memory]']
    events.sort(key=lambda event: event['args']['Ev Idx'])
    return max(accumulate(e['args']['Bytes'] for e in events), default=0)


def give_back_memory(device: str) -> None:
    """Leave to other processes what only the next round will need again."""
    if device == 'cuda':
        torch.cuda.empty_cache()
    # Of the GNU C library; others have no such function.
    elif hasattr(ctypes.CDLL(None), 'malloc_trim'):
        ctypes.CDLL(None).malloc_trim(0)
