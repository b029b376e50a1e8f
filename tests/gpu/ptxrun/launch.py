"""Launches of Triton kernels on CPU tensors."""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import torch
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from .parse import count_parameters
from .translate import translate

HERE = Path(__file__).parent
FLAGS = [
    '-std=c++17',
    '-march=native',
    '-fno-strict-aliasing',
    # As the PTX says: fma where it has one, and only there.
    '-ffp-contract=off',
    '-Wno-psabi',
    '-fopenmp',
    '-shared',
    '-fPIC',
]


class Options:
    """How launches run; change the attributes of `options` at any time.

    Attributes:
        exp2_error (int): By how many units in the last place ex2 is off: 0
            not, 1 by -2 to 2 as a hash of the result has it, 2 by -2, 3 by 2.
        seed (int): Of that hash and of the order in which warps run.
        check_races (bool): Report programs that share what one writes.
        threads (int): Programs that run at once.
        optimize (str): '-O0' compiles in a third of the time; '-O1' runs
            large kernels many times faster.
    """

    exp2_error = 0
    seed = 1
    check_races = True
    threads = min(os.cpu_count() or 1, 16)
    optimize = '-O1'


class Launched(NamedTuple):
    """A launch that has run.

    Attributes:
        kernel (str): Its name.
        grid (tuple[int]): Programs along three axes.
        instructions (int): Executed, a warp's counted once.
        replica_bytes_differ (int): Bytes of shared memory that several lanes
            wrote in one instruction with different values.
        seconds (float): It took, without compilation.
    """

    kernel: str
    grid: Tuple[int, ...]
    instructions: int
    replica_bytes_differ: int
    seconds: float


options = Options()
# Of this process, in order.
launched: List[Launched] = []


class Range(ctypes.Structure):
    """See `runtime.h`, as for the next two."""

    _fields_ = [
        ('begin', ctypes.c_uint64),
        ('end', ctypes.c_uint64),
        ('writers', ctypes.c_void_p),
        ('readers', ctypes.c_void_p),
    ]


class Launch(ctypes.Structure):
    _fields_ = [
        ('ranges', ctypes.POINTER(Range)),
        ('parameters', ctypes.POINTER(ctypes.c_uint64)),
        ('range_count', ctypes.c_int32),
        ('check_races', ctypes.c_int32),
        ('grid', ctypes.c_int32 * 3),
        ('warps', ctypes.c_int32),
        ('shared_bytes', ctypes.c_int32),
        ('exp2_error', ctypes.c_int32),
        ('seed', ctypes.c_uint32),
        ('threads', ctypes.c_int32),
    ]


class Report(ctypes.Structure):
    _fields_ = [
        ('instructions', ctypes.c_uint64),
        ('replica_bytes_differ', ctypes.c_uint64),
        ('errors', ctypes.c_int32),
        ('message', ctypes.c_char * 512),
    ]


class OfflineDriver:
    """As much of a GPU as compiling asks for."""

    def __init__(self, capability: int) -> None:
        self.capability = capability

    def get_current_target(self) -> GPUTarget:
        return GPUTarget('cuda', self.capability, 32)

    def get_current_device(self) -> int:
        # A device each, so that no kernel serves two capabilities.
        return self.capability

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device('cpu')


def why_not() -> Optional[str]:
    """Return what keeps kernels from running here, None where they run."""
    try:
        flags = Path('/proc/cpuinfo').read_text()
    except OSError:
        flags = ''
    if 'avx512f' not in flags:
        return 'the processor has no AVX-512'
    if shutil.which('g++') is None:
        return 'there is no g++'
    return None


def install(capability: int = 90) -> None:
    """Have every `kernel[grid](...)` compile for a GPU and run from its PTX.

    For the rest of the process. Kernels must not have been imported for
    Triton's interpreter.

    Args:
        capability (int): Of the GPU, ten times: 90 is an H100.

    Raises:
        RuntimeError: Kernels cannot run here.
    """
    reason = why_not()
    if os.environ.get('TRITON_INTERPRET') == '1':
        reason = 'TRITON_INTERPRET=1 has kernels interpreted'
    if reason is not None:
        raise RuntimeError(f'kernels cannot run from PTX: {reason}')
    driver.set_active(OfflineDriver(capability))
    JITFunction.__getitem__ = lambda kernel, grid: (
        lambda *args, **options: launch(kernel, grid, args, options)
    )


def launch(
    kernel: JITFunction, grid: Any, args: tuple, constants: Dict[str, Any]
) -> object:
    """Compile a kernel and run it.

    Raises:
        NotImplementedError: Its PTX has an instruction that is not known.
        RuntimeError: A check has failed: what, and at which line.
    """
    compiled = kernel.run(*args, grid=grid, warmup=True, **constants)
    names = [parameter.name for parameter in kernel.params]
    bound = {**dict(zip(names, args)), **constants}
    values = [
        bound[name]
        for name, kind in compiled.src.signature.items()
        if kind != 'constexpr'
    ]
    programs = [int(n) for n in (grid(bound) if callable(grid) else grid)]
    programs += [1] * (3 - len(programs))
    run = load_library(compiled.asm['ptx'])
    if 0 in programs:
        return compiled
    x, y, z = programs
    assert x < 2**31 and y < 2**16 and z < 2**16, f'grid {programs}'

    ranges = make_ranges([v for v in values if isinstance(v, Tensor)])
    # Behind its own parameters a kernel may have Triton's scratch memory.
    parameters = [encode(value) for value in values]
    scratch = count_parameters(compiled.asm['ptx']) - len(values)
    assert 0 <= scratch <= 2, f'{scratch} parameters too many'
    parameters += [0] * scratch
    report = Report()
    start = time.perf_counter()
    run(
        Launch(
            ranges=ranges.array,
            parameters=(ctypes.c_uint64 * len(parameters))(*parameters),
            range_count=len(ranges.array),
            check_races=options.check_races,
            grid=(ctypes.c_int32 * 3)(*programs),
            warps=compiled.metadata.num_warps,
            shared_bytes=compiled.metadata.shared,
            exp2_error=options.exp2_error,
            seed=options.seed,
            threads=options.threads,
        ),
        report,
    )
    launched.append(
        Launched(
            kernel.__name__,
            tuple(programs),
            report.instructions,
            report.replica_bytes_differ,
            round(time.perf_counter() - start, 3),
        )
    )
    if report.errors:
        raise RuntimeError(
            f'{kernel.__name__}{tuple(programs)}: '
            f'{report.message.decode()} ({report.errors} errors)'
        )
    return compiled


def encode(value: Any) -> int:
    """An argument as 64 bits."""
    if isinstance(value, Tensor):
        return value.data_ptr()
    if isinstance(value, float):
        return int(np.float32(value).view(np.uint32))
    return int(value) % 2**64


class Ranges(NamedTuple):
    """The memory of tensors, and the arrays that its pointers point to."""

    array: ctypes.Array
    kept: List[np.ndarray]


def make_ranges(tensors: List[Tensor]) -> Ranges:
    """From the first to the last number of each tensor; overlaps are one."""
    extents = []
    for t in tensors:
        if t.numel() > 0:
            last = sum((n - 1) * s for n, s in zip(t.shape, t.stride()))
            size = (last + 1) * t.element_size()
            extents.append([t.data_ptr(), t.data_ptr() + size])
    merged: List[List[int]] = []
    for begin, end in sorted(extents):
        if merged and begin < merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([begin, end])
    ranges, kept = [], []
    for begin, end in merged:
        halves = (end - begin + 1) // 2 + 2 if options.check_races else 1
        writers, readers = (np.zeros(halves, np.uint32) for _ in range(2))
        kept += [writers, readers]
        ranges.append(
            Range(begin, end, writers.ctypes.data, readers.ctypes.data)
        )
    return Ranges((Range * len(ranges))(*ranges), kept)


_loaded: Dict[Tuple[str, str], Callable] = {}


def load_library(ptx: str) -> Callable:
    """`run_kernel` of a kernel, compiled unless an earlier process did."""
    key = ptx, options.optimize
    if key not in _loaded:
        library = ctypes.CDLL(str(build_library(translate(ptx))))
        library.run_kernel.argtypes = [
            ctypes.POINTER(Launch),
            ctypes.POINTER(Report),
        ]
        library.run_kernel.restype = None
        _loaded[key] = library.run_kernel
    return _loaded[key]


def build_library(source: str) -> Path:
    """Compile C++, or find what the same source and flags gave before."""
    command = ['g++', options.optimize, *FLAGS, f'-I{HERE}']
    content = [*command, source]
    content += [path.read_text() for path in sorted(HERE.glob('*.h'))]
    name = hashlib.sha256('\0'.join(content).encode()).hexdigest()[:24]
    folder = cache_folder()
    library = folder / f'{name}.so'
    if not library.exists():
        path = folder / f'{name}.cpp'
        path.write_text(source)
        # Other processes may be at the same.
        unfinished = folder / f'{name}.{os.getpid()}.unfinished'
        subprocess.run([*command, '-o', unfinished, path], check=True)
        os.replace(unfinished, library)
    return library


def cache_folder() -> Path:
    """PTXRUN_CACHE, or one for this user among the temporary files."""
    name = f'mmvideomamba-ptxrun-{os.getuid()}'
    folder = Path(
        os.environ.get('PTXRUN_CACHE') or Path(tempfile.gettempdir()) / name
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
