"""Parts about whole models, as mmaction2 trains and tests them, in bf16."""

from functools import partial
from typing import Iterator

import torch
from torch import Tensor

from .bench import Bench
from .skip import require

# (model, frames): those that VideoMamba is compared with first.
COMPARED = (
    ('videomamba-s', 32),
    ('swin-t', 32),
    ('vit-s-fused', 32),
    ('vit-s', 32),
    ('videomamba-s', 16),
)
LARGEST_BATCH = 64
GROWTH_BATCH = 8
GROWTH_FRAMES = (8, 16, 32, 64, 128)
MEMORY_FRAMES = (16, 32, 64)


def measure_models(bench: Bench) -> Iterator[dict]:
    """Clips per second, each model at its largest batch."""
    rates = {}
    for pass_name in ('training', 'forward'):
        for name, frames in COMPARED:
            for record in measure_model(
                bench, name, frames, pass_name, LARGEST_BATCH
            ):
                yield record
                rates[name, frames] = record.get('clips_per_second')
        ours = rates['videomamba-s', 32]
        yield {
            'pass': pass_name,
            **{
                f'videomamba-s over {name}': ours / rates[name, 32]
                for name, frames in COMPARED[1:4]
                if ours and rates[name, 32]
            },
        }


def measure_memory(bench: Bench) -> Iterator[dict]:
    """Training memory of a clip, blocks kept or computed again."""
    for name in ('videomamba-s', 'videomamba-s-cp'):
        for frames in MEMORY_FRAMES:
            yield from measure_model(bench, name, frames, 'training', 1)


def measure_growth(bench: Bench) -> Iterator[dict]:
    """A forward pass of longer and longer clips, beside attention."""
    for name in ('videomamba-s', 'vit-s-fused'):
        for frames in GROWTH_FRAMES:
            yield from measure_model(
                bench, name, frames, 'forward', GROWTH_BATCH
            )


def measure_model(
    bench: Bench, name: str, frames: int, pass_name: str, batch: int
) -> Iterator[dict]:
    """Time and memory of a pass of a model, see `Bench.fit`."""
    require('mmengine', 'mmaction')
    about = {'model': name, 'frames': frames, 'pass': pass_name}
    time = partial(time_pass, bench, name, frames, pass_name)
    for record in bench.fit(1 if bench.dry else batch, time):
        yield {**about, **record}


def time_pass(
    bench: Bench, name: str, frames: int, pass_name: str, batch: int
) -> dict:
    workload = build_workload(bench, name, frames, batch)
    call = partial(getattr(workload, pass_name), 'bf16')
    call()  # what it keeps, such as the optimizer's state
    memory = bench.memory_MB(call)
    ms = bench.median_ms(call, 7)
    return dict(
        clips_per_second=batch / ms * 1e3,
        ms=ms,
        memory_MB=memory,
        memory_per_clip_MB=None if memory is None else memory / batch,
    )


def build_workload(bench: Bench, name: str, frames: int, batch: int):  # type: ignore[no-untyped-def]  # mmaction may be missing
    """A recognizer and clips for it; a toy of any name in a rehearsal."""
    from mmvideomamba.benchmark import model_workloads

    if not bench.dry:
        return model_workloads.build_workload(
            name, frames, batch, bench.device
        )
    from mmengine.registry import init_default_scope
    from small_models import small_recognizer

    from mmvideomamba.registry import MODELS

    init_default_scope('mmaction')
    # What the interpreter takes minutes for.
    model = MODELS.build(small_recognizer(scan_backend='reference'))
    return model_workloads.ModelWorkload(model, toy_clips(batch))


def toy_clips(batch: int) -> Tensor:
    """What `small_recognizer` takes."""
    return torch.randn(batch, 3, 4, 32, 32)
