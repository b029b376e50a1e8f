"""The parts of tools/gpu_check.sh: one function each, none stops the others.

A part returns its result, a plain dict for the JSON file, or raises `Skip`
with what is missing here.
"""

import argparse
import datetime
import json
import re
import subprocess
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Callable, Dict, List

import torch

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 600


class Skip(Exception):
    """A part cannot run here; the message says what it lacks."""


def check_tests(seconds: float) -> dict:
    """The engines against the reference, at awkward and at real sizes."""
    require('pytest', 'hypothesis')
    output = run(
        seconds,
        *('-m', 'pytest', '-W', 'ignore', '-rs', 'tests/ops/test_triton.py'),
        *('-k', 'on_a_gpu'),
    )
    return dict(summary=output.strip().splitlines()[-1])


def benchmark_scan(seconds: float) -> dict:
    """One clip, beside the reference, and a batch too large for it."""
    return dict(
        runs=[
            run_json(
                seconds / 2,
                'tools/analysis_tools/benchmark_scan.py',
                *('--device', 'cuda', '--dtypes', 'bfloat16'),
                *('--engines', 'triton', 'cuda', *baseline),
                *('--batch-sizes', batch, '--budget', '2', '--json'),
            )
            for batch, baseline in (('1', ['reference']), ('64', []))
        ]
    )


def benchmark_models(seconds: float) -> dict:
    """Throughput and peak memory of whole models."""
    require('mmengine', 'mmaction')
    script = 'tools/analysis_tools/benchmark_models.py'
    if not (ROOT / script).exists():
        raise Skip(f'no {script} in this checkout')
    return run_json(seconds, script, '--device', 'cuda', '--json')


def train_with_amp(seconds: float) -> dict:
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
        torch.cuda.reset_peak_memory_stats()
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
        results[name] = dict(
            losses=losses,
            peak_bytes_per_clip=torch.cuda.max_memory_allocated() // 4,
        )
    return results


def compile_model(seconds: float) -> dict:
    """torch.compile gives the eager model's outputs and gradients."""
    require('mmengine', 'mmaction')
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
    # TF32 is off by default; sums in another order are all that differs.
    if not error < 1e-3:
        raise RuntimeError(f'compiled and eager differ by {error:.1e}')
    return dict(largest_relative_difference=error)


# Name -> (part, its share of the time).
PARTS = {
    'tests': (check_tests, 150),
    'benchmark_scan': (benchmark_scan, 120),
    'train_with_amp': (train_with_amp, 60),
    'compile': (compile_model, 90),
    'benchmark_models': (benchmark_models, 170),
}


def build_model(**options) -> torch.nn.Module:
    from mmvideomamba.models import VideoMamba

    return VideoMamba(num_frames=16, scan_backend='triton', **options).cuda()


def require(*modules: str) -> None:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise Skip(f'{", ".join(missing)} not installed')


def run(seconds: float, *command: str) -> str:
    """Run a Python command; its output, or an error with its end."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    if done.returncode:
        end = (done.stdout + done.stderr).strip().splitlines()[-12:]
        raise RuntimeError('\n'.join(end))
    return done.stdout


def run_json(seconds: float, *command: str) -> dict:
    return json.loads(run(seconds, *command))


def run_part(part: Callable, seconds: float) -> dict:
    """The part's status, seconds, and result or reason."""
    start = time.monotonic()
    try:
        if seconds < 10:
            raise Skip('no time left')
        outcome = dict(status='passed', result=part(seconds))
    except Skip as reason:
        outcome = dict(status='skipped', reason=str(reason))
    except Exception as error:
        outcome = dict(
            status='failed', reason=f'{type(error).__name__}: {error}'
        )
    torch.cuda.empty_cache()
    return dict(outcome, seconds=round(time.monotonic() - start, 1))


def machine() -> dict:
    properties = torch.cuda.get_device_properties(0)
    commit = subprocess.run(
        ['git', 'rev-parse', '--short', 'HEAD'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout.strip()
    return dict(
        gpu=properties.name,
        memory_bytes=properties.total_memory,
        multiprocessors=properties.multi_processor_count,
        torch=torch.__version__,
        triton=version('triton') if find_spec('triton') else None,
        commit=commit or 'unknown',
        date=datetime.date.today().isoformat(),
    )


def report(about: dict, outcomes: Dict[str, dict]) -> str:
    """The Markdown page: what ran, then the scan's timings."""
    lines = [
        f'# {about["gpu"]}',
        '',
        f'`bash tools/gpu_check.sh` on {about["date"]}, commit '
        f'{about["commit"]}, torch {about["torch"]}, '
        f'triton {about["triton"]}.',
        '',
        '| part | status | seconds | remark |',
        '|---|---|---:|---|',
    ]
    for name, outcome in outcomes.items():
        remark = outcome.get('reason', '').replace('\n', ' ')
        lines.append(
            f'| {name} | {outcome["status"]} | {outcome["seconds"]} '
            f'| {remark[:200]} |'
        )
    scan = outcomes.get('benchmark_scan', {}).get('result', dict(runs=[]))
    rows = [row for run in scan['runs'] for row in run['results']]
    if rows:
        lines += [
            '',
            'The scan of one block (both directions, softplus, gate):',
            '',
            '| engine | work | dtype | batch | tokens | ms |',
            '|---|---|---|---:|---:|---:|',
        ]
        lines += [
            f'| {row["engine"]} | {row["work"]} | {row["dtype"]} '
            f'| {row["batch"]} | {row["length"]} '
            f'| {row["milliseconds"]:.3f} |'
            for row in rows
        ]
    return '\n'.join(lines) + '\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--parts', nargs='+', choices=PARTS, default=list(PARTS)
    )
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'docs' / 'benchmarks'
    )
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit('gpu_check: torch finds no CUDA device here')

    about = machine()
    started = time.monotonic()
    outcomes = {}
    for name in args.parts:
        part, share = PARTS[name]
        print(f'==> {name}: {part.__doc__.splitlines()[0]}', flush=True)
        left = SECONDS - (time.monotonic() - started)
        outcomes[name] = run_part(part, min(share, left))
        print(f'    {outcomes[name]["status"]}', flush=True)

    args.out.mkdir(parents=True, exist_ok=True)
    page = args.out / re.sub('[^a-z0-9]+', '-', about['gpu'].lower())
    results = json.dumps(dict(machine=about, parts=outcomes), indent=2)
    page.with_suffix('.json').write_text(results + '\n')
    page.with_suffix('.md').write_text(report(about, outcomes))

    print(f'\n{page.with_suffix(".md").read_text()}')
    for name, outcome in outcomes.items():
        if outcome['status'] == 'failed':
            print(f'{name} failed: {outcome["reason"]}\n')
    print(f'Written: {page}.json and .md')
    return any(o['status'] == 'failed' for o in outcomes.values())


if __name__ == '__main__':
    sys.exit(main())
