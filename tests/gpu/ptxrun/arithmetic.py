"""Arithmetic, comparisons and logic, of floats, integers and predicates."""

from .moves import TO_FLOAT
from .parse import Instruction
from .writer import TYPES, Writer, convert, pair, width

# C++ of operands {0}, {1}, {2}, by the instruction.
FLOAT = {
    'add': '({0} + {1})',
    'sub': '({0} - {1})',
    'mul': '({0} * {1})',
    'fma': 'fma_f32({0}, {1}, {2})',
    'div': '({0} / {1})',
    'neg': '(-{0})',
    'lg2': 'log2_f32({0})',
    'rcp': 'reciprocal_f32({0})',
    'sqrt': 'sqrt_f32({0})',
    'rsqrt': 'rsqrt_f32({0})',
    'max': 'max_f32({0}, {1})',
    'min': 'min_f32({0}, {1})',
}
# C++ of lane l: a and b of two bytes, from 10.0 on, and c of float32.
MIXED_LANES = {
    'add': '{f}(a[l]) + c[l]',
    'sub': '{f}(a[l]) - c[l]',
    'fma': '__builtin_fmaf({f}(a[l]), {f}(b[l]), c[l])',
}
# Of two float32 in one register of 64 bits, half by half.
PAIRED = ('add', 'sub', 'mul', 'fma')
INTEGER = {
    'add': '({0} + {1})',
    'sub': '({0} - {1})',
    'and': '({0} & {1})',
    'or': '({0} | {1})',
    'xor': '({0} ^ {1})',
    'not': '(~{0})',
    'neg': '(-{0})',
}
# C++ of lane l of operands a and b; dividing by zero gives all ones.
INTEGER_LANES = {
    'min': 'a[l] < b[l] ? a[l] : b[l]',
    'max': 'a[l] > b[l] ? a[l] : b[l]',
    'div': 'b[l] ? a[l] / b[l] : -1',
    'rem': 'b[l] ? a[l] % b[l] : -1',
}
PREDICATE = {
    'and': '({0} & {1})',
    'or': '({0} | {1})',
    'xor': '({0} ^ {1})',
    'not': '(~{0})',
}
COMPARISONS = {
    'eq': '({0} == {1})',
    'ne': '({0} != {1})',
    'lt': '({0} < {1})',
    'le': '({0} <= {1})',
    'gt': '({0} > {1})',
    'ge': '({0} >= {1})',
}
# Of a NaN these are true, and what is above is false.
FLOAT_COMPARISONS = {
    **COMPARISONS,
    'ne': '(({0} < {1}) | ({0} > {1}))',
    'equ': '(~(({0} < {1}) | ({0} > {1})))',
    'neu': '({0} != {1})',
    'ltu': '(~({0} >= {1}))',
    'leu': '(~({0} > {1}))',
    'gtu': '(~({0} <= {1}))',
    'geu': '(~({0} < {1}))',
}


def write_arithmetic(instruction: Instruction, writer: Writer) -> None:
    kind = instruction.kind
    if kind == 'f32':
        write_float(instruction, writer)
    elif kind == 'f32x2':
        write_paired_floats(instruction, writer)
    elif kind in TO_FLOAT and 'f32' in instruction.modifiers:
        write_mixed_floats(instruction, writer)
    elif kind == 'pred':
        operands = writer.sources(instruction, 'pred')
        expression = PREDICATE[instruction.opcode].format(*operands)
        writer.assign(instruction.operands[0], expression, 'pred')
    else:
        write_integer(instruction, writer)


def write_float(instruction: Instruction, writer: Writer) -> None:
    to, first = instruction.operands[:2]
    if instruction.opcode == 'abs':
        cleared = f'({writer.source(first, "u32")} & 0x7fffffffu)'
        writer.assign(to, cleared, 'u32')
        return
    operands = writer.sources(instruction, 'f32')
    if instruction.opcode == 'ex2':
        flush = str('ftz' in instruction.modifiers).lower()
        options = f'{flush}, p.launch->exp2_error, p.launch->seed'
        expression = f'exp2_f32({operands[0]}, {options})'
    else:
        expression = FLOAT[instruction.opcode].format(*operands)
    writer.assign(to, expression, 'f32')


def write_paired_floats(instruction: Instruction, writer: Writer) -> None:
    if instruction.opcode not in PAIRED:
        raise NotImplementedError(str(instruction))
    operands = writer.sources(instruction, 'u64')

    def half(shift: int) -> str:
        parts = [
            f'((f32x32){convert(f"({x} >> {shift})", "u32")})'
            for x in operands
        ]
        return f'(u32x32){FLOAT[instruction.opcode].format(*parts)}'

    writer.assign(instruction.operands[0], pair(half(0), half(32)), 'u64')


def write_mixed_floats(instruction: Instruction, writer: Writer) -> None:
    to, *small, last = instruction.operands
    value = MIXED_LANES[instruction.opcode].format(
        f=TO_FLOAT[instruction.kind]
    )
    operands = {
        name: writer.source(number, 'u16') for name, number in zip('ab', small)
    }
    last = writer.source(last, 'f32')
    writer.assign_lanes(to, value, 'f32', **operands, c=last)


def write_integer(instruction: Instruction, writer: Writer) -> None:
    type_ = TYPES[instruction.kind]
    if type_ == 'f64':
        raise NotImplementedError(str(instruction))
    to = instruction.operands[0]
    operands = writer.sources(instruction, type_)
    if instruction.opcode in INTEGER:
        expression = INTEGER[instruction.opcode].format(*operands)
        writer.assign(to, expression, type_)
    else:
        value = INTEGER_LANES[instruction.opcode]
        writer.assign_lanes(to, value, type_, a=operands[0], b=operands[1])


def write_product(instruction: Instruction, writer: Writer) -> None:
    """mul and mad; those of integers keep the low, the high or all bits."""
    if instruction.kind in ('f32', 'f32x2'):
        write_arithmetic(instruction, writer)
        return
    to, *factors = instruction.operands
    type_ = result = TYPES[instruction.kind]
    if 'lo' not in instruction.modifiers:
        # 32 bits times 32 bits in 64 bits.
        result = {'i32': 'i64', 'u32': 'u64'}[type_]
    a, b = (writer.source(factor, type_) for factor in factors[:2])
    if 'lo' in instruction.modifiers:
        product = f'({a} * {b})'
    else:
        product = f'({convert(a, result)} * {convert(b, result)})'
    if 'hi' in instruction.modifiers:
        product, result = convert(f'({product} >> 32)', 'u32'), 'u32'
    if instruction.opcode == 'mad':
        product = f'({product} + {writer.source(factors[2], result)})'
    writer.assign(to, product, result)


def write_shift(instruction: Instruction, writer: Writer) -> None:
    """Beyond the width all bits are zero, or the sign's."""
    type_ = TYPES[instruction.kind]
    to, value, by = instruction.operands
    left = instruction.opcode == 'shl'
    signed = type_[0] == 'i' and not left
    rest = '(x[l] < 0 ? -1 : 0)' if signed else '0'
    shifted = f'(x[l] {"<<" if left else ">>"} by[l])'
    writer.assign_lanes(
        to,
        f'by[l] >= {width(type_)}u ? {rest} : {shifted}',
        type_,
        x=writer.source(value, type_),
        by=writer.source(by, 'u32'),
    )


def write_comparison(instruction: Instruction, writer: Writer) -> None:
    # A fourth operand would be a predicate to combine the result with.
    if len(instruction.operands) != 3:
        raise NotImplementedError(str(instruction))
    kind = instruction.kind
    if kind in TO_FLOAT:
        type_ = 'f32'
        operands = [
            f'widen({operand}, {TO_FLOAT[kind]})'
            for operand in writer.sources(instruction, 'u16')
        ]
    else:
        type_ = TYPES[kind]
        operands = writer.sources(instruction, type_)
    table = FLOAT_COMPARISONS if type_ == 'f32' else COMPARISONS
    expression = table[instruction.modifiers[0]].format(*operands)
    if width(type_) == 32:
        expression = f'((i32x32){expression})'
    else:
        expression = convert(expression, 'i32')
    writer.assign(instruction.operands[0], expression, 'pred')


def write_bit_field(instruction: Instruction, writer: Writer) -> None:
    sign = {'s32': 'true', 'u32': 'false'}[instruction.kind]
    x, start, length = writer.sources(instruction, 'u32')
    writer.assign_lanes(
        instruction.operands[0],
        f'bit_field(x[l], start[l], length[l], {sign})',
        'u32',
        x=x,
        start=start,
        length=length,
    )


def write_byte_permutation(instruction: Instruction, writer: Writer) -> None:
    x, y, selector = writer.sources(instruction, 'u32')
    writer.assign_lanes(
        instruction.operands[0],
        'permute_bytes(x[l], y[l], selector[l])',
        'u32',
        x=x,
        y=y,
        selector=selector,
    )


def write_any_logic(instruction: Instruction, writer: Writer) -> None:
    """lop3: a truth table of three bits, as eight bits of a number."""
    to, *operands, table = instruction.operands
    bits = [writer.source(operand, 'u32') for operand in operands]
    terms = ['all_u32(0)']
    for row in range(8):
        if int(table, 0) >> row & 1:
            signs = ('' if row >> (2 - i) & 1 else '~' for i in range(3))
            factors = (sign + bit for sign, bit in zip(signs, bits))
            terms.append(f'({" & ".join(factors)})')
    writer.assign(to, f'({" | ".join(terms)})', 'u32')


EMITTERS = {
    **dict.fromkeys([*FLOAT, *INTEGER, *INTEGER_LANES], write_arithmetic),
    'ex2': write_arithmetic,
    'abs': write_arithmetic,
    'mul': write_product,
    'mad': write_product,
    'shl': write_shift,
    'shr': write_shift,
    'setp': write_comparison,
    'bfe': write_bit_field,
    'prmt': write_byte_permutation,
    'lop3': write_any_logic,
}
