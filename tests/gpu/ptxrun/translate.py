"""Translate the PTX of a Triton kernel to C++ that runs it on a CPU.

The kernel becomes a function that runs one warp up to the next barrier, its 32
lanes as vectors. That is exact where branches are the same for a whole warp,
as Triton's are; the runtime reports one that is not. An instruction that
is not known raises NotImplementedError: the known ones are those of kernels
without matrix products, atomics and asynchronous copies.
"""

import re
from typing import Callable, Dict

from . import arithmetic, memory, moves
from .parse import Instruction, Label, parse
from .writer import Writer

Emit = Callable[[Instruction, Writer], None]


def write_branch(instruction: Instruction, writer: Writer) -> None:
    target = f'goto {label_name(instruction.operands[0])};'
    if writer.guarded:
        condition = f'takes_branch(p, {writer.mask}, {instruction.line})'
        target = f'if ({condition}) {target}'
    writer.write(target)


def write_end(instruction: Instruction, writer: Writer) -> None:
    condition = ''
    if writer.guarded:
        condition = f'if (takes_branch(p, {writer.mask}, {instruction.line})) '
    writer.write(f'{condition}return finish(p, count);')


def write_barrier(instruction: Instruction, writer: Writer) -> None:
    """Of a program: return, and go on here the next time. Of a warp: pass."""
    if 'warp' in instruction.modifiers:
        writer.write('p.warp_epochs[warp]++;')
        return
    writer.barriers += 1
    number = writer.barriers
    writer.write(f'w.resume = {number};')
    writer.write(f'return finish(p, count, {number});')
    writer.write(f'resume_{number}:;')


def write_nothing(instruction: Instruction, writer: Writer) -> None:
    """Memory is in order as it is."""


EMITTERS: Dict[str, Emit] = {
    'bra': write_branch,
    'ret': write_end,
    'exit': write_end,
    'bar': write_barrier,
    'barrier': write_barrier,
    'membar': write_nothing,
    'fence': write_nothing,
    **memory.EMITTERS,
    **moves.EMITTERS,
    **arithmetic.EMITTERS,
}
# They change a result in ways that are not translated.
UNSUPPORTED_MODIFIERS = {'sat', 'satfinite', 'relu', 'cc'}


def translate(ptx: str) -> str:
    """Return the C++ source for a kernel.

    Args:
        ptx (str): A module with one kernel.

    Raises:
        NotImplementedError: An instruction that is not supported.
    """
    writer = Writer()
    for item in parse(ptx):
        if isinstance(item, Label):
            writer.write(f'{label_name(item.name)}:;')
        else:
            write_instruction(item, writer)
    registers = ''.join(
        f'  {type_} {name}[{writer.counts[name]}];\n'
        for name, type_ in (
            ('p', 'i32x32'),
            ('rs', 'u16x32'),
            ('r', 'u32x32'),
            ('f', 'u32x32'),
            ('rd', 'u64x32'),
            ('fd', 'u64x32'),
        )
    )
    resume = ''.join(
        f'    case {i}: goto resume_{i};\n'
        for i in range(1, writer.barriers + 1)
    )
    body = '\n'.join(writer.lines)
    return f"""\
#include "runtime.h"

struct Warp {{
{registers}  int resume;
}};

static int run_warp(Program& p, Warp& w, int warp) {{
  uint64_t count = 0;
  u32x32 thread, lane;
  for (int l = 0; l < LANES; l++) {{
    thread[l] = warp * LANES + l;
    lane[l] = l;
  }}
  switch (w.resume) {{
    default: break;
{resume}  }}
{body}
  return finish(p, count);
}}

#include "run_grid.h"
"""


def write_instruction(instruction: Instruction, writer: Writer) -> None:
    emit = EMITTERS.get(instruction.opcode)
    if emit is None or UNSUPPORTED_MODIFIERS & set(instruction.modifiers):
        raise NotImplementedError(str(instruction))
    writer.begin(instruction)
    try:
        emit(instruction, writer)
    # Of a table: a type or a modifier that it does not list.
    except KeyError as missing:
        raise NotImplementedError(f'{missing} of {instruction}') from missing


def label_name(name: str) -> str:
    return 'label_' + re.sub(r'\W', '_', name)
