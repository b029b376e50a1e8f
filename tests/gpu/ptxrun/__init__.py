"""Triton kernels on CPU tensors, from the PTX that a GPU would run.

    import ptxrun
    ptxrun.install(capability=90)

From then on every `kernel[grid](...)` compiles for that GPU, and its PTX is
translated to C++ and run; see `translate.py`. Unlike Triton's interpreter this
tests what the compiler made, layouts, barriers and predicates with it, and
checks each access to memory while it runs; see `runtime.h`. It tells neither
times nor what the assembler makes of the PTX.
"""

from .launch import Launched, install, launched, options, why_not

__all__ = ['Launched', 'install', 'launched', 'options', 'why_not']
