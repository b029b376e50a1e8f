"""The parts of the GPU check, one function each.

gpu_check.py runs `python gpu_check_parts.py NAME` and reads the last line: the
part's status as JSON, with its result or the reason why there is none. A part
does not watch the clock; gpu_check.py does.
"""

import datetime
import json
import subprocess
import sys
import tempfile
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import Callable, List

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
import torch

ROOT = Path(__file__).resolve().parent.parent
SCAN = 'tools/analysis_tools/benchmark_scan.py'
MODELS = 'tools/analysis_tools/benchmark_models.py'
BACKENDS = ('triton', 'mamba_ssm', 'mamba-ssm-twice')


class Skip(Exception):
    """A part cannot run here; the message says what it lacks."""


def machine() -> dict:
    """What to know about the figures; fails where there is no GPU."""
    if not torch.cuda.is_available():
        raise Skip('torch finds no CUDA device here')
    from mmvideomamba.benchmark.record import describe_machine

    commit = subprocess.run(
        ['git', 'rev-parse', '--short', 'HEAD'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout.strip()
    return dict(
        describe_machine('cuda'),
        commit=commit or 'unknown',
        date=datetime.date.today().isoformat(),
    )


def tests() -> dict:
    """The backends against the reference, at awkward and at real sizes.

    Tests skip themselves where a backend cannot run, which must not pass for
    a check of our kernels: one of `[triton...]` at least has to run.
    """
    require('pytest', 'hypothesis')
    output = run(
        *('-m', 'pytest', '-W', 'ignore', '-rsp', 'tests/ops/test_triton.py'),
        *('-k', 'on_a_gpu or second_of_two'),
    )
    lines = output.strip().splitlines()
    if not any('PASSED' in line and '[triton' in line for line in lines):
        raise RuntimeError(f'no test of the Triton kernels ran: {lines[-1]}')
    return dict(summary=lines[-1])


def scan() -> dict:
    """One clip, beside the reference."""
    return time_scan('1', (*BACKENDS, 'reference'))


def scan_batch() -> dict:
    """A batch too large for the reference."""
    return time_scan('64', BACKENDS)


def time_scan(clips: str, backends: tuple) -> dict:
    options = '--batch-sizes', clips, '--backends', *backends
    return run_benchmark(SCAN, '--budget', '2', *options)


def train_with_amp() -> dict:
    """A few optimizer steps of VideoMamba-S in both 16-bit types."""
    require('mmengine', 'mmaction')
    results = {}
    for dtype in (torch.bfloat16, torch.float16):
        torch.manual_seed(0)
        model = build_model(arch='small').train()
        head = torch.nn.Linear(384, 10).cuda()
        parameters = [*model.parameters(), *head.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=1e-4)
        scaler = torch.amp.GradScaler(enabled=dtype == torch.float16)
        clips = torch.randn(4, 3, 16, 224, 224, device='cuda')
        labels = torch.arange(4, device='cuda')
        losses = []
        for _ in range(6):
            with torch.autocast('cuda', dtype):
                logits = head(model(clips))
            loss = torch.nn.functional.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.item())
        name = str(dtype).removeprefix('torch.')
        if not all(map(torch.isfinite, map(torch.tensor, losses))):
            raise RuntimeError(f'{name}: losses {losses}')
        results[name] = dict(losses=losses)
    return results


def compile_model() -> dict:
    """torch.compile gives the eager model's outputs and gradients."""
    require('mmengine', 'mmaction')
    # Sums in another order are then all that differs.
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(0)
    model = build_model(
        arch=dict(embed_dims=192, num_layers=4), drop_path_rate=0.0
    )
    clip = torch.randn(2, 3, 16, 224, 224, device='cuda')

    def step(forward: Callable) -> List[torch.Tensor]:
        out = forward(clip)
        wanted = list(model.parameters())
        return [out, *torch.autograd.grad(out.square().mean(), wanted)]

    eager, compiled = step(model), step(torch.compile(model))
    error = max(
        ((a - b).abs().max() / b.abs().max()).item()
        for a, b in zip(compiled, eager)
    )
    if not error < 1e-3:
        raise RuntimeError(f'compiled and eager differ by {error:.1e}')
    return dict(largest_relative_difference=error)


def models() -> dict:
    """Throughput and peak memory of whole models, in batches."""
    return run_models('--batch-sizes', '8', '--rounds', '5', '--budget', '3')


def memory() -> dict:
    """Training memory of a clip, blocks kept or computed again."""
    return run_models(
        *('--models', 'videomamba-s', 'videomamba-s-cp'),
        *('--frames', '16', '32', '64'),
        *('--passes', 'training', '--rounds', '2'),
    )


def growth() -> dict:
    """A forward pass of longer and longer clips, beside attention."""
    return run_models(
        *('--models', 'videomamba-s', 'vit-s-fused'),
        *('--frames', '8', '16', '32', '64', '128'),
        *('--passes', 'forward', '--rounds', '5', '--budget', '2'),
    )


PARTS = dict(
    machine=machine,
    tests=tests,
    scan=scan,
    scan_batch=scan_batch,
    train_with_amp=train_with_amp,
    compile=compile_model,
    models=models,
    memory=memory,
    growth=growth,
)


def build_model(**options) -> torch.nn.Module:
    from mmvideomamba.models import VideoMamba

    return VideoMamba(num_frames=16, scan_backend='triton', **options).cuda()


def require(*modules: str) -> None:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise Skip(f'{", ".join(missing)} not installed')


def run_models(*options: str) -> dict:
    require('mmengine', 'mmaction')
    return run_benchmark(MODELS, *options)


def run_benchmark(script: str, *options: str) -> dict:
    """What a benchmark writes and prints on this GPU in bf16."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'record.json')
        on_gpu = '--device', 'cuda', '--dtypes', 'bf16', '--json', str(path)
        printed = run(script, *on_gpu, *options)
        return dict(json.loads(path.read_text()), printed=printed.strip())


def run(*command: str) -> str:
    """What a Python command prints; each line goes to the errors too.

    Should it fail or hang, gpu_check.py shows the last of them.
    """
    lines = []
    with subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            sys.stderr.write(line)
            lines.append(line)
    if process.returncode:
        raise RuntimeError(f'{command} exited with {process.returncode}')
    return ''.join(lines)


def main() -> None:
    try:
        outcome = dict(status='passed', result=PARTS[sys.argv[1]]())
    except Skip as reason:
        outcome = dict(status='skipped', reason=str(reason))
    except Exception as error:
        traceback.print_exc()
        reason = f'{type(error).__name__}: {error}'
        outcome = dict(status='failed', reason=reason)
    print(json.dumps(outcome))


if __name__ == '__main__':
    main()
