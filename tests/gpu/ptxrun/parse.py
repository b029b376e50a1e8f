"""The instructions of the kernel in a PTX file, in their order."""

import re
from typing import List, NamedTuple, Optional, Tuple, Union


class Instruction(NamedTuple):
    """One instruction.

    Attributes:
        opcode (str): Its name up to the first dot.
        modifiers (tuple[str]): What the dots separate; the last is `kind`.
        operands (tuple[str]): Registers, numbers, `[address]` or `{...}`.
        guard (str, optional): '%p1' or '!%p1': the lanes that take part.
        line (int): Of the Python file that the kernel is written in.
    """

    opcode: str
    modifiers: Tuple[str, ...]
    operands: Tuple[str, ...]
    guard: Optional[str]
    line: int

    @property
    def kind(self) -> str:
        """The type of the data, where the instruction has one."""
        return self.modifiers[-1] if self.modifiers else ''

    def __str__(self) -> str:
        name = '.'.join((self.opcode, *self.modifiers))
        return f'{name} {", ".join(self.operands)} (line {self.line})'


class Label(NamedTuple):
    name: str


def count_parameters(ptx: str) -> int:
    """Of the kernel, Triton's own among them."""
    entry = ptx[ptx.index('.entry') :]
    return len(re.findall(r'_param_\d+', entry[: entry.index(')')]))


def parse(ptx: str) -> List[Union[Instruction, Label]]:
    """Read the first kernel; functions beside it are not supported."""
    entry = ptx[ptx.index('.entry') :]
    body: List[Union[Instruction, Label]] = []
    line = 0
    for text in entry[entry.index('{') + 1 :].splitlines():
        location = re.match(r'\s*\.loc\s+\d+\s+(\d+)', text)
        if location:
            line = int(location[1])
            continue
        text = re.sub(r'//.*', '', text).strip()
        # A register for what is not wanted; the scope is its line.
        named = re.match(r'\{\s*\.reg \.b\d+ (\w+);', text)
        if named:
            text = text[named.end() :].replace(f'{{{named[1]},', '{_,')
        if text.startswith('.'):
            continue
        label = re.match(r'([\w$]+):\s*(.*)$', text)
        if label:
            body.append(Label(label[1]))
            text = label[2]
        for statement in text.split(';'):
            # Braces alone are those of the kernel and of inline assembly.
            if statement.strip() not in ('', '{', '}'):
                body.append(parse_instruction(statement.strip(), line))
    return body


def parse_instruction(statement: str, line: int) -> Instruction:
    guarded = re.match(r'@(!?%p\d+)\s+(.*)$', statement)
    guard = None
    if guarded:
        guard, statement = guarded.groups()
    name, *operands = statement.split(maxsplit=1)
    opcode, *modifiers = name.split('.')
    return Instruction(
        opcode,
        tuple(modifiers),
        tuple(split_operands(*operands)),
        guard,
        line,
    )


def split_operands(text: str = '') -> List[str]:
    """Split at the commas outside of braces and brackets."""
    text = text.strip()
    return re.split(r'\s*,\s*(?![^{\[]*[}\]])', text) if text else []


def members(operand: str) -> List[str]:
    """The registers of a vector `{a, b}`, or the one that stands alone."""
    return split_operands(operand.strip('{} '))


def parse_address(operand: str) -> Tuple[str, int]:
    """Register or symbol, and the bytes behind it, of `[%rd1+16]`."""
    found = re.fullmatch(r'\[\s*([%\w$]+)\s*(?:\+\s*(-?\d+))?\s*\]', operand)
    if not found:
        raise NotImplementedError(f'address {operand}')
    return found[1], int(found[2] or 0)
