"""Compile the Triton kernels for GPUs that are not here; print what came out.

    python tests/ops/compile_offline.py 80 90 100

One JSON line per kernel: compute capability, kernel, registers per thread,
bytes spilled per thread; shuffles, exponentials and other float32 arithmetic
in its machine code. The kernels are those of the operators and the one that
measures how fast exponentials can be. Triton's wheel brings ptxas and the
disassembler, so neither a GPU nor CUDA is needed. Run by test_triton.py in a
process of its own: the kernels of the tests' process may belong to the
interpreter.
"""

import json
import re
import subprocess
import sys
import tempfile

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from mmvideomamba.benchmark.exp_chain import LANES, exp_chain
from mmvideomamba.ops.triton import launch

# VideoMamba-S, 16 frames, as training launches it.
K, L, D, N, DT_RANK = 2, 1569, 768, 16, 24


seen = set()


class OfflineDriver:
    """As much of a GPU as compiling asks for."""

    def __init__(self, capability):
        self.capability = capability

    def get_current_target(self):
        return GPUTarget('cuda', self.capability, 32)

    def get_current_device(self):
        # A device each, so that no kernel serves two capabilities.
        return self.capability

    def get_current_stream(self, device):
        return 0


def launch_everything(batch):
    """Forward and backward of both operators on tensors without memory."""

    def empty(*shape, dtype=torch.bfloat16):
        return torch.empty(shape, dtype=dtype, device='meta')

    def parameter(*shape):
        return empty(*shape, dtype=torch.float32)

    order = empty(K, L, dtype=torch.int64)
    xz = empty(batch, L, 2 * D)
    conv = (xz[..., :D], parameter(K, D, 4), parameter(K, D), order, 'silu')
    launch.causal_conv1d(*conv)
    launch.causal_conv1d_backward(empty(K, batch, L, D), *conv)

    projected = empty(K, batch, L, DT_RANK + 2 * N)
    scan = (
        empty(K, batch, L, D),
        empty(K, batch, L, D),
        parameter(K, D, N),
        projected[..., DT_RANK : DT_RANK + N],
        projected[..., DT_RANK + N :],
        parameter(K, D),
        xz[..., D:],
        parameter(K, D),
        True,
        order,
    )
    _, states = launch.selective_scan(True, *scan)
    launch.selective_scan_backward(empty(batch, L, D), states, *scan)


def compile_instead(kernel, grid):
    """What `kernel[grid]` gives: a launch that stops after compiling."""

    def compile_only(*args, **options):
        compiled = kernel.run(*args, grid=grid, warmup=True, **options)
        if compiled.hash not in seen:
            seen.add(compiled.hash)
            described = describe(compiled)
            print(json.dumps(dict(kernel=kernel.__name__, **described)))

    return compile_only


def describe(compiled):
    with tempfile.NamedTemporaryFile(suffix='.cubin') as cubin:
        cubin.write(compiled.asm['cubin'])
        cubin.flush()
        tools = triton.knobs.nvidia
        usage = output(tools.cuobjdump.path, '-res-usage', cubin.name)
        code = output(tools.nvdisasm.path, '-c', cubin.name)
    used = dict(re.findall(r'(REG|STACK|LOCAL):(\d+)', usage))
    return dict(
        capability=driver.active.capability,
        registers=int(used['REG']),
        spilled=int(used['STACK']) + int(used['LOCAL']),
        shuffles=code.count('SHFL'),
        exps=code.count('MUFU.EX2'),
        arithmetic=len(re.findall('FADD|FMUL|FFMA', code)),
    )


def output(*command):
    return subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout


def main():
    JITFunction.__getitem__ = compile_instead
    # Enough that one clip is cut into segments, as on any large GPU.
    launch.multiprocessors = lambda device: 132
    for capability in sys.argv[1:]:
        driver.set_active(OfflineDriver(int(capability)))
        launch_everything(batch=64)
        launch_everything(batch=1)
        exp_chain(torch.empty(1, LANES, device='meta'), steps=1024)


if __name__ == '__main__':
    main()
