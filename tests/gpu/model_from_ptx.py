"""A model's forward and backward pass on the GPU kernels, from their PTX.

    python tests/gpu/model_from_ptx.py 90

The argument is the compute capability to compile for, ten times. Two blocks on
two clips, in float32 and under bfloat16 autocast; prints a JSON line for each:
the kernels, the largest error of the output and of any gradient against the
reference in float32, over the largest magnitude of the same tensor, and how
much larger it is than the reference's own with the same autocast, at most.
"""

import argparse
import json
from typing import Dict

import ptxrun
import torch
from torch import Tensor
from without_a_gpu import run_operators_from_ptx

# isort: split
from tolerances import relative_errors

SIZES = dict(arch=dict(embed_dims=96, num_layers=2), img_size=64, num_frames=4)


def run(backend: str, dtype: torch.dtype) -> Dict[str, Tensor]:
    """The output and the gradient of each parameter, by name."""
    from mmvideomamba.models import VideoMamba

    torch.manual_seed(0)
    model = VideoMamba(**SIZES, scan_backend=backend)
    clips = torch.randn(2, 3, 4, 64, 64)
    with torch.autocast('cpu', dtype, enabled=dtype != torch.float32):
        out = model.eval()(clips)[0].float()
    weights = torch.randn(out.shape)
    names, parameters = zip(*model.named_parameters())
    gradients = torch.autograd.grad(out, parameters, weights)
    return dict(zip(['out', *names], [out, *gradients]))


def errors(actual: Dict[str, Tensor], expected: Dict[str, Tensor]) -> Tensor:
    """Of all tensors; unlike that of a list, its maximum may be NaN."""
    return torch.tensor(list(relative_errors(actual, expected).values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('capability', type=int, help='times ten: 90')
    run_operators_from_ptx(parser.parse_args().capability)
    # Compiling the kernels takes longer than running them.
    ptxrun.options.optimize = '-O0'
    expected = run('reference', torch.float32)
    for dtype in (torch.float32, torch.bfloat16):
        found = errors(run('triton', dtype), expected)
        record = dict(
            dtype=str(dtype).removeprefix('torch.'),
            kernels=sorted({launch.kernel for launch in ptxrun.launched}),
            worst=float(f'{found.max().item():.1e}'),
        )
        if dtype != torch.float32:
            own = errors(run('reference', dtype), expected)
            record.update(ratio=round((found / own).max().item(), 2))
        print(json.dumps(record), flush=True)


if __name__ == '__main__':
    main()
