"""The step of `gpu_first.py` about the prototypes; also whether they agree.

    python tests/gpu/prototype_steps.py [--dry]

prints the largest error of each result against float64, relative to the
largest magnitude, and fails where one is beyond what bfloat16 allows.
"""

import argparse
import json
import sys
from typing import Callable, Dict, Iterator

import torch
import torch.nn.functional as F
import triton
from bench import Bench, relative_error, two_digits
from proto_conv_kernels import conv_gather, conv_pre_gradient
from proto_scan_kernels import (
    backward_grouped,
    forward_grouped,
    forward_prefetch,
    replay_grouped,
)

from mmvideomamba.ops import reference

BF16 = torch.bfloat16
TOLERANCE = 8e-3
GROUP = 4


class ScanPrototypes:
    """Inputs, results and launches of the scan's prototypes."""

    def __init__(self, bench: Bench) -> None:
        K, D, N, _, L, batch = bench.sizes
        self.sizes = batch, L, D
        _, self.inputs, self.order = bench.scan_inputs(batch)
        self.u, self.raw, A, B, C, self.skip, _, self.bias = self.inputs
        delta = self.raw.float() + self.bias[:, None, None]
        self.delta = F.softplus(delta).to(BF16)
        self.A = A.transpose(1, 2).contiguous()
        self.BC = torch.stack((B, C), 3).float()
        self.int_order = self.order.int()
        self.dy = bench.randn(batch, L, D, dtype=BF16)

        self.wide = dict(N=N, BLOCK_D=64, num_warps=1)
        self.narrow = dict(N=N, BLOCK_D=32, num_warps=1)
        self.y = bench.empty(K, batch, L, D)
        self.states = bench.empty(K * batch, triton.cdiv(L, GROUP), N, D)
        self.dC = bench.empty(triton.cdiv(D, 64), K, batch, L, N)
        self.dD = bench.empty(K, batch, D)
        self.du = torch.empty_like(self.u)
        self.ddelta = torch.empty_like(self.u)
        self.dA = bench.empty(K, batch, N, D)
        self.dB = bench.empty(triton.cdiv(D, 32), K, batch, L, N)

    def grid(self, options: dict) -> tuple:
        batch, _, D = self.sizes
        return len(self.u) * batch, triton.cdiv(D, options['BLOCK_D']), 1

    def prefetch(self) -> None:
        forward_prefetch[self.grid(self.wide)](
            self.u,
            self.raw,
            self.A,
            self.BC,
            self.skip,
            self.bias,
            self.int_order,
            self.y,
            *self.sizes,
            SOFTPLUS=True,
            **self.wide,
        )

    def grouped(self, softplus: bool = True) -> None:
        forward_grouped[self.grid(self.wide)](
            self.u,
            self.raw if softplus else self.delta,
            self.A,
            self.BC,
            self.skip,
            self.bias,
            self.int_order,
            self.y,
            *self.sizes,
            SOFTPLUS=softplus,
            GROUP=GROUP,
            **self.wide,
        )

    def replay(self) -> None:
        replay_grouped[self.grid(self.wide)](
            self.u,
            self.delta,
            self.dy,
            self.A,
            self.BC,
            self.int_order,
            self.states,
            self.dC,
            self.dD,
            *self.sizes,
            GROUP=GROUP,
            **self.wide,
        )

    def backward(self) -> None:
        backward_grouped[self.grid(self.narrow)](
            self.u,
            self.delta,
            self.dy,
            self.A,
            self.BC,
            self.skip,
            self.int_order,
            self.states,
            self.du,
            self.ddelta,
            self.dA,
            self.dB,
            *self.sizes,
            GROUP=GROUP,
            **self.narrow,
        )

    def errors(self) -> Dict[str, float]:
        """Of everything but f2_no_softplus, which differs in its input."""
        u, raw, A, B, C, skip, _, bias = self.inputs
        inputs = [t.double().requires_grad_() for t in (u, raw, A, B, C, skip)]
        y = reference.selective_scan(
            *inputs, None, bias.double(), True, self.order
        )
        du, ddelta, dA, dB, dC, dD = torch.autograd.grad(
            y, inputs, self.dy.double()
        )
        errors = {}
        for name, launch in (('f1', self.prefetch), ('f2', self.grouped)):
            self.y.fill_(float('nan'))
            launch()
            errors[name] = relative_error(self.y.sum(0), y)
        self.replay()
        self.backward()
        return dict(
            errors,
            b1_dC=relative_error(self.dC.sum(0), dC),
            b1_dD=relative_error(self.dD.sum(1), dD),
            b2_du=relative_error(self.du, du),
            b2_ddelta=relative_error(self.ddelta, ddelta),
            b2_dA=relative_error(self.dA.sum(1).transpose(1, 2), dA),
            b2_dB=relative_error(self.dB.sum(0), dB),
        )


class ConvPrototypes:
    """Inputs, results and launches of the convolution's prototypes."""

    steps = 128

    def __init__(self, bench: Bench) -> None:
        K, D, _, _, L, batch = bench.sizes
        self.sizes = batch, L, D
        xz, _, self.order = bench.scan_inputs(batch)
        self.x = xz[..., :D]
        self.int_order = self.order.int()
        # Both of these orders are their own inverses.
        self.inverse = self.int_order.clone()
        self.weight, self.bias = bench.randn(K, 4, D), bench.randn(K, D)
        self.grad = bench.randn(K, batch, L, D, dtype=BF16)
        self.pre = torch.empty_like(self.grad)
        self.segments = triton.cdiv(L, self.steps)
        self.parts = bench.empty(K, batch * self.segments, 5, D)
        self.dx = bench.empty(batch, L, D, dtype=BF16)

    def pre_gradient(self) -> None:
        batch, _, D = self.sizes
        grid = len(self.grad) * batch, triton.cdiv(D, 128), self.segments
        conv_pre_gradient[grid](
            self.grad,
            self.x,
            self.weight,
            self.bias,
            self.int_order,
            self.pre,
            self.parts,
            *self.x.stride()[:2],
            *self.sizes,
            STEPS=self.steps,
            GROUP=4,
            BLOCK_D=128,
            num_warps=1,
        )

    def gather(self) -> None:
        batch, L, D = self.sizes
        conv_gather[batch, triton.cdiv(L, 16), triton.cdiv(D, 64)](
            self.pre,
            self.weight,
            self.int_order,
            self.inverse,
            self.dx,
            *self.sizes,
            K=len(self.grad),
            BLOCK_L=16,
            BLOCK_D=64,
            num_warps=4,
        )

    def errors(self) -> Dict[str, float]:
        inputs = [
            t.double().requires_grad_()
            for t in (self.x, self.weight.transpose(1, 2), self.bias)
        ]
        out = reference.causal_conv1d(*inputs, self.order, 'silu')
        dx, dweight, dbias = torch.autograd.grad(
            out, inputs, self.grad.double()
        )
        self.pre_gradient()
        self.gather()
        sums = self.parts.sum(1)
        return dict(
            c1_dweight=relative_error(sums[:, :4].transpose(1, 2), dweight),
            c1_dbias=relative_error(sums[:, 4], dbias),
            c2_dx=relative_error(self.dx, dx),
        )


def measure_prototypes(bench: Bench) -> Iterator[dict]:
    """Each prototype's time: a forward scan without softplus among them."""
    scan, conv = ScanPrototypes(bench), ConvPrototypes(bench)
    calls: Dict[str, Callable] = dict(
        f1=scan.prefetch,
        f2=scan.grouped,
        f2_no_softplus=lambda: scan.grouped(softplus=False),
        b1=scan.replay,
        b2=scan.backward,
        c1=conv.pre_gradient,
        c2=conv.gather,
    )
    yield {
        name: round(bench.median_ms(call, 10), 4)
        for name, call in calls.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--dry', action='store_true', help='without a GPU')
    bench = Bench(parser.parse_args().dry)
    # The reference holds every number in float64: a batch that is small.
    bench.sizes = bench.sizes._replace(batch=2)
    errors = {
        **ScanPrototypes(bench).errors(),
        **ConvPrototypes(bench).errors(),
    }
    print(json.dumps({n: two_digits(e) for n, e in errors.items()}))
    sys.exit(not all(error <= TOLERANCE for error in errors.values()))


if __name__ == '__main__':
    main()
