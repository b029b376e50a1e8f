"""Parts about VideoMamba-S itself: mixed precision, compiled, captured."""

from typing import Any, Callable, Iterator, List

import torch
from torch import Tensor, nn

from .bench import Bench, relative_error, two_digits
from .skip import require

TOY = dict(arch=dict(embed_dims=32, num_layers=1), img_size=32, num_frames=4)


def build_model(bench: Bench, **options: Any) -> nn.Module:
    """A VideoMamba on the device; a toy in a rehearsal."""
    require('mmengine', 'mmaction')
    from mmvideomamba.models import VideoMamba

    torch.manual_seed(0)
    options = dict(dict(scan_backend='triton'), **options)
    if bench.dry:
        options.update(TOY)
    return VideoMamba(**options).to(bench.device)


def make_clips(bench: Bench, batch: int) -> Tensor:
    """What `build_model` takes."""
    shape = (4, 32, 32) if bench.dry else (16, 224, 224)
    return bench.randn(batch, 3, *shape)


def train_with_amp(bench: Bench) -> Iterator[dict]:
    """A few optimizer steps of VideoMamba-S in the 16-bit types there are."""
    for dtype in (torch.bfloat16, torch.float16):
        if dtype == torch.bfloat16 and not bench.has_bfloat16:
            continue
        yield train(bench, build_model(bench), dtype)


def train(bench: Bench, model: nn.Module, dtype: torch.dtype) -> dict:
    """Losses of a few steps under autocast, and the time of the last.

    Raises:
        RuntimeError: A loss is not finite.
    """
    head = nn.Linear(model.embed_dims, 10).to(bench.device)
    parameters = [*model.train().parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)
    scaler = torch.amp.GradScaler(bench.device, enabled=dtype == torch.float16)
    batch, steps = (1, 1) if bench.dry else (4, 5)
    clips = make_clips(bench, batch)
    labels = torch.arange(batch, device=bench.device)
    losses: List[float] = []

    def step() -> None:
        with torch.autocast(bench.device, dtype):
            logits = head(model(clips))
        loss = nn.functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())

    for _ in range(steps):
        step()
    ms = bench.wall_ms(step, 1)
    if not all(map(torch.isfinite, torch.tensor(losses))):
        raise RuntimeError(f'{dtype}: losses {losses}')
    return dict(dtype=str(dtype), step_ms=ms, losses=losses)


def compile_model(bench: Bench, model: nn.Module, **options: Any) -> Callable:
    """torch.compile; a rehearsal traces, and generates no code."""
    if bench.dry:
        return torch.compile(model, backend='aot_eager')
    return torch.compile(model, **options)


def compare_compiled(bench: Bench) -> Iterator[dict]:
    """torch.compile gives the eager model's outputs and gradients.

    Raises:
        RuntimeError: It does not.
    """
    # Sums in another order are then all that differs.
    torch.backends.cudnn.allow_tf32 = False
    arch = dict(embed_dims=192, num_layers=4)
    model = build_model(bench, arch=arch, drop_path_rate=0.0)
    clips = make_clips(bench, 2)

    def step(forward: Callable) -> List[Tensor]:
        out = forward(clips)
        wanted = list(model.parameters())
        return [out, *torch.autograd.grad(out.square().mean(), wanted)]

    eager, compiled = step(model), step(compile_model(bench, model))
    error = max(map(relative_error, compiled, eager))
    yield dict(largest_relative_difference=two_digits(error))
    if not error < 1e-3:
        raise RuntimeError(f'compiled and eager differ by {error:.1e}')


@torch.no_grad()
def measure_graphs(bench: Bench) -> Iterator[dict]:
    """One clip, launched kernel by kernel or from a CUDA graph.

    Raises:
        RuntimeError: A graph gives other features.
    """
    model = build_model(bench).eval()
    clip, other = make_clips(bench, 1), make_clips(bench, 1)
    expected = model(other)
    ways = dict(
        eager=lambda: model,
        graph=lambda: bench.capture(model, clip),
        reduce_overhead=lambda: compile_model(
            bench, model, mode='reduce-overhead'
        ),
    )
    for name, make in ways.items():
        run = make()
        run(clip)
        error = relative_error(run(other), expected)
        ms = bench.wall_ms(lambda run=run: run(clip))
        yield dict(way=name, wall_ms=ms, difference=two_digits(error))
        if not error < 1e-3:
            raise RuntimeError(f'{name}: features differ by {error:.1e}')
