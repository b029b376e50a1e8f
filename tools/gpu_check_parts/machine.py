"""What machine this is, and whether the check can run on it."""

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Optional

import torch

from mmvideomamba.benchmark.record import describe_machine
from mmvideomamba.ops import triton as triton_backend

ROOT = Path(__file__).resolve().parents[2]
# Of the driver, a desktop and this process.
ALLOWED_BYTES = 2 * 2**30


def describe(dry: bool) -> dict:
    """What to know about the figures, whichever device gives them."""
    machine = describe_machine('cpu' if dry else 'cuda')
    if machine['triton'] is None:  # a build of another name
        import triton

        machine['triton'] = triton.__version__
    machine.setdefault('gpu', 'rehearsal without a GPU')
    return dict(
        machine,
        cuda=torch.version.cuda,
        python=platform.python_version(),
        gpus=torch.cuda.device_count(),
        commit=commit(),
        date=datetime.date.today().isoformat(),
    )


def commit() -> str:
    """Of the checkout; '-dirty' where more than results differ from it."""
    rest = ['--', '.', ':!docs/benchmarks']
    try:
        head = git('rev-parse', '--short', 'HEAD').stdout.strip()
        changed = git('diff', '--quiet', 'HEAD', *rest).returncode
    except OSError:
        head = ''
    if not head:
        return 'unknown'
    return f'{head}-dirty' if changed else head


def git(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ['git', *arguments], cwd=ROOT, capture_output=True, text=True
    )


def why_not() -> Optional[str]:
    """What keeps the check from running here, in one line."""
    if torch.version.cuda is None:
        return (
            f'torch {torch.__version__} was built without CUDA; install one '
            'with CUDA'
        )
    try:
        torch.cuda.init()
    # No GPU, no driver, a driver too old: torch says which.
    except RuntimeError as error:
        return one_line(
            f'torch {torch.__version__} for CUDA {torch.version.cuda} finds '
            f'no GPU that it can use: {error}'
        )
    reason = used_by_others() or triton_backend.why_not('cuda')
    return reason and one_line(reason)


def used_by_others() -> Optional[str]:
    """Who else uses the GPU, or None: their work would be in every time."""
    gpu = torch.cuda.get_device_properties(0)
    # Before this process has begun to compute, and is one of them.
    others = other_processes(str(getattr(gpu, 'uuid', '')))
    free, total = torch.cuda.mem_get_info()
    taken = total - free
    if not others and taken <= ALLOWED_BYTES:
        return None
    named = f' ({others})' if others else ''
    return (
        f'other programs{named} use {gpu.name} and {taken / 2**30:.1f} GiB of '
        'its memory; wait for them, or choose another with '
        'CUDA_VISIBLE_DEVICES'
    )


def other_processes(uuid: str) -> str:
    """Processes that compute on a GPU; empty where nvidia-smi shows none."""
    query = '--query-compute-apps=pid,name', '--format=csv,noheader'
    try:
        listed = subprocess.run(
            ['nvidia-smi', f'--id=GPU-{uuid}', *query],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ''
    own = str(os.getpid())
    lines = map(str.strip, listed.splitlines())
    return '; '.join(x for x in lines if x and x.split(',')[0] != own)


def one_line(text: str) -> str:
    return ' '.join(text.split())
