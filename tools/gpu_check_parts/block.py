"""Parts about a block, and its matrix products."""

from functools import partial
from typing import Callable, Dict, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideomamba.ops import add_branch, mamba_inner, rms_norm

from .bench import Bench

BF16 = torch.bfloat16


class Block(nn.Module):
    """RMSNorm, projections, `mamba_inner` and the sum with the input.

    By hand, so that it needs nothing but torch.

    Args:
        bench (Bench): Its device and sizes.
        dtype (torch.dtype): Of autocast; float32 for none.
        backend (str): Of the scan.
    """

    def __init__(
        self,
        bench: Bench,
        dtype: torch.dtype = BF16,
        backend: str = 'triton',
    ) -> None:
        super().__init__()
        K, D, N, dt_rank, L, _ = bench.sizes
        self.device = bench.device
        self.dtype = dtype
        self.backend = backend
        self.channels = D // 2
        self.order = bench.orders(K, L)
        weights = dict(
            norm=torch.ones(self.channels, device=bench.device),
            in_proj=bench.randn(2 * D, self.channels) * 0.02,
            conv_weight=bench.randn(K, D, 4) * 0.02,
            conv_bias=bench.randn(K, D) * 0.02,
            x_proj=bench.randn(K, dt_rank + 2 * N, D) * 0.02,
            dt_proj=bench.randn(K, D, dt_rank) * 0.02,
            dt_bias=bench.randn(K, D) * 0.02,
            A_log=torch.zeros(K, D, N, device=bench.device),
            D=bench.randn(K, D) * 0.02,
            out_proj=bench.randn(self.channels, D) * 0.02,
        )
        self.weights = nn.ParameterDict(weights)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D / 2) float32, as it came."""
        w = self.weights
        mixed = self.dtype != torch.float32
        with torch.autocast(self.device, self.dtype, enabled=mixed):
            normed = rms_norm(x, w['norm'], 1e-5, backend=self.backend)
            y = mamba_inner(
                F.linear(normed, w['in_proj']),
                w['conv_weight'],
                w['conv_bias'],
                w['x_proj'],
                w['dt_proj'],
                w['dt_bias'],
                -torch.exp(w['A_log']),
                w['D'],
                order=self.order,
                backend=self.backend,
            )
            # As stochastic depth scales the branch.
            scale = x.new_ones(len(x), 1, 1)
            return add_branch(x, F.linear(y, w['out_proj']), scale)


def measure_block(bench: Bench) -> Iterator[dict]:
    """Time, memory and kernels; one clip also from a CUDA graph."""
    block = Block(bench)
    for batch in bench.batches:
        yield from bench.fit(batch, partial(measure_batch, bench, block))


def measure_batch(bench: Bench, block: Block, batch: int) -> dict:
    x = bench.randn(batch, bench.sizes.L, block.channels).requires_grad_()
    grad = bench.randn(*x.shape)
    inputs = [x, *block.parameters()]

    def step() -> None:
        torch.autograd.grad(block(x), inputs, grad)

    with torch.no_grad():
        forward = bench.median_ms(lambda: block(x), 10)
    record = dict(
        forward_ms=forward,
        both_ms=bench.median_ms(step, 10),
        both_MB=bench.memory_MB(step),
        kernels=bench.kernel_times(step, 3),
    )
    if batch == 1:
        record.update(measure_graph(bench, block, x.detach()))
    return record


@torch.no_grad()
def measure_graph(bench: Bench, block: Block, x: Tensor) -> dict:
    """Wall time of a call, and of one that replays its graph."""
    replay = bench.capture(block, x)
    return dict(
        eager_wall_ms=bench.wall_ms(lambda: block(x)),
        graph_wall_ms=bench.wall_ms(lambda: replay(x)),
        graph_equals_eager=torch.equal(replay(x), block(x)),
    )


def measure_products(bench: Bench) -> Iterator[dict]:
    """The matrix products of a block, forwards and backwards."""
    products = {**outer_products(bench), **inner_products(bench)}
    yield {
        name: round(bench.median_ms(product, 10), 4)
        for name, product in products.items()
    }


def outer_products(bench: Bench) -> Dict[str, Callable]:
    _, D, _, _, L, batch = bench.sizes
    tokens, channels = batch * L, D // 2
    x = bench.randn(tokens, channels, dtype=BF16)
    in_proj = bench.randn(2 * D, channels, dtype=BF16)
    xz = bench.randn(tokens, 2 * D, dtype=BF16)
    y = bench.randn(tokens, D, dtype=BF16)
    out_proj = bench.randn(channels, D, dtype=BF16)
    return dict(
        in_proj=lambda: x @ in_proj.t(),
        out_proj=lambda: y @ out_proj.t(),
        in_dW=lambda: xz.t() @ x,
        in_dX=lambda: xz @ in_proj,
        out_dW=lambda: x.t() @ y,
        out_dX=lambda: x @ out_proj,
    )


def inner_products(bench: Bench) -> Dict[str, Callable]:
    """Those of each direction, between the convolution and the scan.

    The gradients of the weights a second time, split over the batch: many
    programs instead of a few.
    """
    K, D, N, dt_rank, L, batch = bench.sizes
    tokens = batch * L
    u = bench.randn(K, tokens, D, dtype=BF16)
    x_proj = bench.randn(K, dt_rank + 2 * N, D, dtype=BF16)
    projected = bench.randn(K, tokens, dt_rank + 2 * N, dtype=BF16)
    dt_proj = bench.randn(K, D, dt_rank, dtype=BF16)
    dt = projected[..., :dt_rank]
    u_clips = u.view(K * batch, L, D)
    clips = projected.view(K * batch, L, -1)
    dt_clips = clips[..., :dt_rank]

    def split_x() -> Tensor:
        parts = torch.bmm(clips.transpose(1, 2), u_clips)
        return parts.view(K, batch, -1, D).sum(1)

    def split_dt() -> Tensor:
        parts = torch.bmm(u_clips.transpose(1, 2), dt_clips)
        return parts.view(K, batch, D, dt_rank).sum(1)

    return dict(
        x_proj=lambda: torch.bmm(u, x_proj.transpose(1, 2)),
        dt_proj=lambda: torch.bmm(dt, dt_proj.transpose(1, 2)),
        x_dW=lambda: torch.bmm(projected.transpose(1, 2), u),
        x_dX=lambda: torch.bmm(projected, x_proj),
        dt_dW=lambda: torch.bmm(u.transpose(1, 2), dt),
        dt_dX=lambda: torch.bmm(u, dt_proj),
        x_dW_split=split_x,
        dt_dW_split=split_dt,
    )
