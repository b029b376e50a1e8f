"""Moves between registers and lanes, selections and conversions."""

from .parse import Instruction, members
from .writer import TYPES, Writer, convert, pair, width

# The lane that lane l reads, by the mode of a shuffle.
SHUFFLES = {
    'bfly': 'l ^ offset[l]',
    'idx': 'offset[l] & 31',
    'down': 'l + (int)offset[l] > 31 ? l : l + (int)offset[l]',
}
# Functions of `vectors.h`: from and to the types of two bytes.
TO_FLOAT = {'bf16': 'bf16_to_f32', 'f16': 'f16_to_f32'}
FROM_FLOAT = {'bf16': 'f32_to_bf16', 'f16': 'f32_to_f16'}
INTEGERS = ('i16', 'u16', 'i32', 'u32', 'i64', 'u64')


def bits(kind: str) -> str:
    """The unsigned type that a value of a PTX type is stored as."""
    return 'pred' if kind == 'pred' else f'u{width(TYPES[kind])}'


def write_shuffle(instruction: Instruction, writer: Writer) -> None:
    to, value, offset, limit, lanes = instruction.operands
    if limit not in ('31', '0x1f') or lanes not in ('-1', '0xffffffff'):
        raise NotImplementedError(str(instruction))
    writer.assign_lanes(
        to.split('|')[0],
        f'x[{SHUFFLES[instruction.modifiers[1]]}]',
        'u32',
        x=writer.source(value, 'u32'),
        offset=writer.source(offset, 'u32'),
    )


def write_move(instruction: Instruction, writer: Writer) -> None:
    to, value = instruction.operands
    stored = bits(instruction.kind)
    if to.startswith('{'):
        split_register(to, writer.source(value, stored), stored, writer)
    elif value.startswith('{'):
        low, high = members(value)
        joined = join_registers(low, high, stored, writer)
        writer.assign(to, joined, stored)
    else:
        writer.assign(to, writer.source(value, stored), stored)


def split_register(to: str, value: str, stored: str, writer: Writer) -> None:
    """A register's halves, `_` where one is not wanted."""
    half = {'u32': 'u16', 'u64': 'u32'}[stored]
    for i, register in enumerate(members(to)):
        if register != '_':
            shifted = f'({value} >> {i * width(half)})'
            writer.assign(register, convert(shifted, half), half)


def join_registers(low: str, high: str, stored: str, writer: Writer) -> str:
    low, high = writer.source(low, 'u32'), writer.source(high, 'u32')
    if stored == 'u32':
        return f'({low} & 0xffffu) | ({high} << 16)'
    if stored == 'u64':
        return pair(low, high)
    raise NotImplementedError(f'two registers as {stored}')


def write_selection(instruction: Instruction, writer: Writer) -> None:
    to, first, second, condition = instruction.operands
    stored = bits(instruction.kind)
    operands = ', '.join(
        (
            writer.source(condition, 'pred'),
            writer.source(first, stored),
            writer.source(second, stored),
        )
    )
    writer.assign(to, f'select_{stored}({operands})', stored)


def write_conversion(instruction: Instruction, writer: Writer) -> None:
    to, *values = instruction.operands
    target, source = instruction.modifiers[-2:]
    if target == 'f32' and source in TO_FLOAT:
        value = writer.source(values[0], 'u16')
        function = TO_FLOAT[source]
        writer.assign_lanes(to, f'{function}(x[l])', 'f32', x=value)
    elif source == 'f32' and target.replace('x2', '') in FROM_FLOAT:
        write_rounding(instruction, writer)
    elif target == 'f32' and TYPES[source] in INTEGERS:
        value = writer.source(values[0], TYPES[source])
        writer.assign(to, convert(value, 'f32'), 'f32')
    elif source == 'f32' and target in ('s32', 'u32', 's64'):
        # Rounded towards zero, as C++ does.
        if 'rzi' not in instruction.modifiers:
            raise NotImplementedError(str(instruction))
        value = writer.source(values[0], 'f32')
        writer.assign(to, convert(value, TYPES[target]), TYPES[target])
    elif TYPES[source] in INTEGERS and TYPES[target] in INTEGERS:
        write_resizing(instruction, writer)
    else:
        raise NotImplementedError(str(instruction))


def write_rounding(instruction: Instruction, writer: Writer) -> None:
    """float32 to one number of two bytes, or two of them side by side."""
    to, *values = instruction.operands
    target, paired, _ = instruction.modifiers[-2].partition('x2')
    # vectors.h rounds to the nearest.
    if 'rn' not in instruction.modifiers:
        raise NotImplementedError(str(instruction))
    function = FROM_FLOAT[target]
    numbers = [writer.source(value, 'f32') for value in values]
    if not paired:
        writer.assign_lanes(to, f'{function}(x[l])', 'u16', x=numbers[0])
        return
    writer.assign_lanes(
        to,
        f'(uint32_t){function}(high[l]) << 16 | {function}(low[l])',
        'u32',
        high=numbers[0],
        low=numbers[1],
    )


def write_resizing(instruction: Instruction, writer: Writer) -> None:
    """Between integers: the source's sign decides what widening adds."""
    to, value = instruction.operands
    target, source = (TYPES[kind] for kind in instruction.modifiers[-2:])
    target = f'{source[0]}{width(target)}'
    resized = writer.source(value, source)
    if source != target:
        resized = convert(resized, target)
    writer.assign(to, resized, target)


EMITTERS = {
    'shfl': write_shuffle,
    'mov': write_move,
    'selp': write_selection,
    'cvt': write_conversion,
}
