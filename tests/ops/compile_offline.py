"""Compile the Triton kernels for GPUs that are not here; print what came out.

    python tests/ops/compile_offline.py 80 90 100

One JSON line per kernel: compute capability, kernel, registers per thread,
bytes spilled per thread; shuffles, exponentials and other float32 arithmetic
in its machine code, its instructions and those of its longest loop; whether
sums of products are fused, and the stages of a pipelined loop; megabytes that
move where it touches each of its tensors once. The kernels are those of the
operators and the one that measures how fast exponentials can be. Triton's
wheel brings ptxas and the disassembler, so neither a GPU nor CUDA is needed.
Run by test_triton.py in a process of its own: the kernels of the tests'
process may belong to the interpreter.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from mmvideomamba.benchmark.exp_chain import LANES, exp_chain
from mmvideomamba.ops.triton import launch, operators

# VideoMamba-S, 16 frames, as training launches it.
K, L, D, N, DT_RANK = 2, 1569, 768, 16, 24

# A line of the disassembly, behind its address.
INSTRUCTION = r'^\s*/\*[0-9a-f]{4,}\*/'
# Of Triton's wheel.
TOOLS = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin'
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


def launch_everything(batch, L=L):
    """Forward and backward of all operators on tensors without memory."""

    def empty(*shape, dtype=torch.bfloat16):
        return torch.empty(shape, dtype=dtype, device='meta')

    def parameter(*shape):
        return empty(*shape, dtype=torch.float32)

    order = empty(K, L, dtype=torch.int64)
    xz = empty(batch, L, 2 * D)
    inner = (
        xz,
        parameter(K, D, 4),
        parameter(K, D),
        parameter(K, DT_RANK + 2 * N, D),
        parameter(K, D, DT_RANK),
        parameter(K, D),
        parameter(K, D, N),
        parameter(K, D),
        order,
    )
    _, *kept = operators.mamba_inner(True, *inner)
    operators.mamba_inner_backward(empty(batch, L, D), *kept, *inner)

    # By itself the scan takes delta before softplus.
    projected, _, (u, delta) = kept
    B, C = projected[..., DT_RANK:].chunk(2, dim=-1)
    A, skip = parameter(K, D, N), parameter(K, D)
    scan = u, delta, A, B, C, skip, xz[..., D:], skip, True, order
    _, kept = operators.selective_scan(True, *scan)
    operators.selective_scan_backward(empty(batch, L, D), kept, *scan)

    x, weight = parameter(batch, L, D // 2), parameter(D // 2)
    normed, scale = operators.rms_norm(x, weight, 1e-5, torch.bfloat16)
    operators.rms_norm_backward(normed, x, weight, scale)


def compile_instead(kernel, grid):
    """What `kernel[grid]` gives: a launch that stops after compiling."""

    def compile_only(*args, **options):
        # What CUDA allows.
        assert max(grid[1:], default=1) < 2**16, (kernel.__name__, grid)
        compiled = kernel.run(*args, grid=grid, warmup=True, **options)
        if compiled.hash not in seen:
            seen.add(compiled.hash)
            described = describe(compiled)
            # Views of projections count for what they hold.
            sizes = [
                t.numel() * t.itemsize
                for t in args
                if isinstance(t, torch.Tensor)
            ]
            described.update(MB=round(sum(sizes) / 1e6, 1))
            print(json.dumps(dict(kernel=kernel.__name__, **described)))

    return compile_only


def describe(compiled):
    with tempfile.NamedTemporaryFile(suffix='.cubin') as cubin:
        cubin.write(compiled.asm['cubin'])
        cubin.flush()
        usage = output(TOOLS / 'cuobjdump', '-res-usage', cubin.name)
        code = output(TOOLS / 'nvdisasm', '-c', cubin.name)
    used = dict(re.findall(r'(REG|STACK|LOCAL):(\d+)', usage))
    return dict(
        capability=driver.active.capability,
        registers=int(used['REG']),
        spilled=int(used['STACK']) + int(used['LOCAL']),
        shuffles=code.count('SHFL'),
        exps=code.count('MUFU.EX2'),
        arithmetic=len(re.findall('FADD|FMUL|FFMA', code)),
        instructions=len(re.findall(INSTRUCTION, code, re.M)),
        loop=longest_loop(code),
        fused=compiled.metadata.enable_fp_fusion,
        stages=compiled.metadata.num_stages,
    )


def longest_loop(code):
    """Instructions from a label to the last branch back to it."""
    longest = count = 0
    labels = {}
    for line in code.splitlines():
        label = re.match(r'(\.L_x_\d+):', line)
        if label:
            labels[label[1]] = count
        elif re.match(INSTRUCTION, line):
            count += 1
            branch = re.search(r'BRA.*`\((\.L_x_\d+)\)', line)
            if branch and branch[1] in labels:
                start = labels[branch[1]]
                # A kernel ends in a branch to itself.
                longest = max(longest, count - start)
    return longest


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
        launch_everything(batch=1, L=2**20)
        exp_chain(torch.empty(1, LANES, device='meta'), steps=1024)


if __name__ == '__main__':
    main()
