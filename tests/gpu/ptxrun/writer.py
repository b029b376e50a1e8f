"""Operands and results of instructions as C++ on vectors of 32 lanes.

Types are named as the vectors of `vectors.h` are: u16, i16, u32, i32, f32,
u64, i64, f64, each with x32 behind it; `pred` is a predicate.
"""

import re
from typing import Dict, List, Optional, Tuple

from .parse import Instruction

# The type a register is stored as, by the letters of its name.
REGISTERS = {
    'p': 'pred',
    'rs': 'u16',
    'r': 'u32',
    'f': 'u32',
    'rd': 'u64',
    'fd': 'u64',
}
# How an instruction sees data of a PTX type.
TYPES = {
    'pred': 'pred',
    'b16': 'u16',
    'u16': 'u16',
    's16': 'i16',
    'b32': 'u32',
    'u32': 'u32',
    's32': 'i32',
    'f32': 'f32',
    'b64': 'u64',
    'u64': 'u64',
    's64': 'i64',
    'f64': 'f64',
}
SPECIAL_REGISTERS = {
    '%tid.x': 'thread',
    '%tid.y': 'all_u32(0)',
    '%tid.z': 'all_u32(0)',
    '%ctaid.x': 'all_u32(p.id[0])',
    '%ctaid.y': 'all_u32(p.id[1])',
    '%ctaid.z': 'all_u32(p.id[2])',
    '%nctaid.x': 'all_u32(p.launch->grid[0])',
    '%nctaid.y': 'all_u32(p.launch->grid[1])',
    '%nctaid.z': 'all_u32(p.launch->grid[2])',
    '%ntid.x': 'all_u32(p.launch->warps * LANES)',
    '%laneid': 'lane',
}
# Triton's name for the start of a program's shared memory.
SHARED_START = ('global_smem', '_global_smem')


def width(type_: str) -> int:
    """Bits of a number."""
    return int(type_[1:])


def vector(type_: str) -> str:
    """The C++ type of 32 values."""
    return 'i32x32' if type_ == 'pred' else f'{type_}x32'


def convert(expression: str, type_: str) -> str:
    """Convert each lane's value."""
    return f'__builtin_convertvector({expression}, {vector(type_)})'


def pair(low: str, high: str) -> str:
    """Two u32 vectors as one of u64."""
    low, high = convert(low, 'u64'), convert(high, 'u64')
    return f'({low} & 0xffffffffull) | ({high} << 32)'


class Writer:
    """The body of a kernel in C++, as it grows.

    Attributes:
        lines (list[str]): What is written so far.
        counts (dict[str, int]): Registers by the letters of their names.
        barriers (int): How many there are so far.
    """

    def __init__(self) -> None:
        self.lines: List[str] = []
        self.counts: Dict[str, int] = dict.fromkeys(REGISTERS, 1)
        self.barriers = 0
        self._guard: Optional[str] = None

    def begin(self, instruction: Instruction) -> None:
        """Count an instruction; its guard holds for what is assigned next."""
        guard = instruction.guard
        self._guard = None if guard is None else self.source(guard, 'pred')
        self.write('count++;')

    @property
    def mask(self) -> str:
        """The lanes that take part in the instruction."""
        return self._guard or 'all_i32(-1)'

    @property
    def guarded(self) -> bool:
        return self._guard is not None

    def write(self, line: str) -> None:
        self.lines.append(f'  {line}')

    def register(self, name: str) -> Tuple[str, str]:
        """The C++ name of a register and the type it is stored as."""
        found = re.fullmatch(r'%(p|rs|rd|r|fd|f)(\d+)', name)
        if not found:
            raise NotImplementedError(f'register {name}')
        letters, index = found[1], int(found[2])
        self.counts[letters] = max(self.counts[letters], index + 1)
        return f'w.{letters}[{index}]', REGISTERS[letters]

    def source(self, operand: str, type_: str) -> str:
        """An operand as an expression of a type."""
        if type_ == 'pred':
            return self._predicate(operand)
        if re.fullmatch(r'-?(0x[0-9a-fA-F]+|\d+)U?', operand):
            return self._number(int(operand.rstrip('U'), 0), type_)
        if re.fullmatch(r'0[fF][0-9a-fA-F]{8}', operand):
            return cast(f'all_u32(0x{operand[2:]}u)', 'u32', type_)
        if operand in SHARED_START:
            return self._number(0, type_)
        if operand in SPECIAL_REGISTERS:
            return cast(SPECIAL_REGISTERS[operand], 'u32', type_)
        return cast(*self.register(operand), type_)

    def _predicate(self, operand: str) -> str:
        if operand.startswith('!'):
            return f'(~{self._predicate(operand[1:])})'
        if re.fullmatch(r'-?\d+', operand):
            return f'all_i32({-1 if int(operand) else 0})'
        return self.register(operand)[0]

    def _number(self, number: int, type_: str) -> str:
        stored = f'u{width(type_)}'
        number %= 2 ** width(type_)
        suffix = {'u16': '', 'u32': 'u', 'u64': 'ull'}[stored]
        return cast(f'all_{stored}({number}{suffix})', stored, type_)

    def sources(self, instruction: Instruction, type_: str) -> List[str]:
        """All operands but the first, which is the result."""
        return [self.source(o, type_) for o in instruction.operands[1:]]

    def assign(self, register: str, expression: str, type_: str) -> None:
        """Store a result of a type in the lanes that take part."""
        name, stored = self.register(register)
        if type_ != stored:
            if 'pred' in (type_, stored) or width(type_) != width(stored):
                raise NotImplementedError(f'{type_} in register {register}')
            expression = f'(({vector(stored)})({expression}))'
        if self._guard is not None:
            select = 'i32' if stored == 'pred' else stored
            choice = f'{self._guard}, {expression}, {name}'
            expression = f'select_{select}({choice})'
        self.write(f'{name} = {expression};')

    def assign_lanes(
        self, register: str, value: str, type_: str, **operands: str
    ) -> None:
        """Store what `value` gives for each lane l.

        Args:
            register (str): Where to.
            value (str): C++ of lane l, in terms of the operands' names.
            type_ (str): The type of the result.
            operands (str): Vectors that `value` names.
        """
        self.write('{')
        for name, expression in operands.items():
            self.write(f'  const auto {name} = {expression};')
        self.write(f'  {vector(type_)} result;')
        self.write(f'  for (int l = 0; l < LANES; l++) result[l] = {value};')
        self.assign(register, 'result', type_)
        self.write('}')


def cast(expression: str, stored: str, type_: str) -> str:
    """See bits of one type as another; the low bits where that is narrower.

    16 bits are also seen as 32: the upper ones are zero then.
    """
    if stored == type_:
        return expression
    if 'pred' not in (stored, type_):
        if width(stored) == width(type_):
            return f'(({vector(type_)}){expression})'
        narrower = width(type_) < width(stored)
        integers = stored[0] == type_[0] == 'u'
        if integers and (narrower or (stored, type_) == ('u16', 'u32')):
            return convert(expression, type_)
    raise NotImplementedError(f'{stored} as {type_}')
