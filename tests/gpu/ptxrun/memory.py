"""Loads and stores of parameters, global and shared memory."""

from typing import List, Tuple

from .parse import Instruction, members, parse_address
from .writer import Writer

VECTOR_LENGTHS = {'v2': 2, 'v4': 4, 'v8': 8}
MATRIX_COUNTS = {'x1': 1, 'x2': 2, 'x4': 4}
# As what a register is read whose low bytes are stored.
STORED_AS = {1: 'u16', 2: 'u16', 4: 'u32', 8: 'u64'}


def find_modifier(instruction: Instruction, table: dict, default: int) -> int:
    found = [table[m] for m in instruction.modifiers if m in table]
    return found[0] if found else default


def describe(instruction: Instruction) -> Tuple[str, int]:
    """The C++ type of a number in memory and its bytes."""
    sign, bits = instruction.kind[0], instruction.kind[1:]
    if sign not in 'bfsu' or bits not in ('8', '16', '32', '64'):
        raise NotImplementedError(str(instruction))
    name = 'int' if sign == 's' else 'uint'
    return f'{name}{bits}_t', int(bits) // 8


def access(
    instruction: Instruction,
    writer: Writer,
    verb: str,
    address: str,
    size: int,
) -> str:
    """The call of the runtime that moves `size` bytes a lane: buffer."""
    spaces = {m.split('::')[0] for m in instruction.modifiers}
    base, offset = parse_address(address)
    if 'shared' in spaces:
        function, warp = f'{verb}_shared<{size}>', 'warp, '
        start = shared_address(writer, base, offset)
    elif 'global' in spaces:
        function, warp = f'{verb}_global<{size}>', ''
        start = f'({writer.source(base, "u64")} + {offset % 2**64}ull)'
    else:
        raise NotImplementedError(str(instruction))
    operands = f'{start}, {writer.mask}, buffer, {instruction.line}'
    return f'{function}(p, {warp}{operands});'


def shared_address(writer: Writer, base: str, offset: int) -> str:
    return f'({writer.source(base, "u32")} + {offset % 2**32}u)'


def write_load(instruction: Instruction, writer: Writer) -> None:
    if 'param' in instruction.modifiers:
        write_parameter(instruction, writer)
        return
    data, address = instruction.operands[:2]
    number, size = describe(instruction)
    total = size * find_modifier(instruction, VECTOR_LENGTHS, 1)
    writer.write('{')
    writer.write(f'  alignas(64) uint8_t buffer[LANES * {total}];')
    writer.write('  ' + access(instruction, writer, 'load', address, total))
    for i, register in enumerate(members(data)):
        if register == '_':
            continue
        name, _ = writer.register(register)
        writer.write('  for (int l = 0; l < LANES; l++) {')
        writer.write(f'    if (!({writer.mask})[l]) continue;')
        writer.write(f'    {number} number;')
        place = f'buffer + l * {total} + {i * size}'
        writer.write(f'    memcpy(&number, {place}, {size});')
        writer.write(f'    {name}[l] = number;')
        writer.write('  }')
    writer.write('}')


def write_store(instruction: Instruction, writer: Writer) -> None:
    address, data = instruction.operands[:2]
    number, size = describe(instruction)
    total = size * find_modifier(instruction, VECTOR_LENGTHS, 1)
    writer.write('{')
    writer.write(f'  alignas(64) uint8_t buffer[LANES * {total}];')
    for i, operand in enumerate(members(data)):
        source = writer.source(operand, STORED_AS[size])
        writer.write('  {')
        writer.write(f'    const auto source = {source};')
        writer.write('    for (int l = 0; l < LANES; l++) {')
        writer.write(f'      const {number} number = ({number})source[l];')
        place = f'buffer + l * {total} + {i * size}'
        writer.write(f'      memcpy({place}, &number, {size});')
        writer.write('    }')
        writer.write('  }')
    writer.write('  ' + access(instruction, writer, 'store', address, total))
    writer.write('}')


def write_parameter(instruction: Instruction, writer: Writer) -> None:
    """Parameters arrive as 64 bits each, at their index."""
    register, operand = instruction.operands
    name, offset = parse_address(operand)
    if offset:
        raise NotImplementedError(str(instruction))
    index = int(name.rpartition('_param_')[2])
    value = f'p.launch->parameters[{index}]'
    _, stored = writer.register(register)
    kind = instruction.kind
    if kind in ('b64', 'u64', 's64'):
        writer.assign(register, f'all_u64({value})', 'u64')
    elif stored == 'u64':
        narrow = {'s32': '(int64_t)(int32_t)', 'u32': '(uint32_t)'}[kind]
        writer.assign(register, f'all_u64({narrow}{value})', 'u64')
    else:
        writer.assign(register, f'all_u32((uint32_t){value})', 'u32')


def write_matrices(instruction: Instruction, writer: Writer) -> None:
    """ldmatrix and stmatrix: two-byte numbers, 8 x 8 of them a register."""
    if writer.guarded or instruction.kind != 'b16':
        raise NotImplementedError(str(instruction))
    loads = instruction.opcode == 'ldmatrix'
    data, address = instruction.operands
    if not loads:
        address, data = instruction.operands
    count = find_modifier(instruction, MATRIX_COUNTS, 0)
    transposed = str('trans' in instruction.modifiers).lower()
    start = shared_address(writer, *parse_address(address))
    registers: List[str] = members(data)
    function = 'load_matrices' if loads else 'store_matrices'
    writer.write('{')
    writer.write(f'  u32x32 matrices[{count}];')
    for i, register in enumerate(registers):
        if not loads:
            source = writer.source(register, 'u32')
            writer.write(f'  matrices[{i}] = {source};')
    operands = f'matrices, {count}, {transposed}, {instruction.line}'
    writer.write(f'  {function}(p, warp, {start}, {operands});')
    for i, register in enumerate(registers):
        if loads:
            writer.assign(register, f'matrices[{i}]', 'u32')
    writer.write('}')


EMITTERS = {
    'ld': write_load,
    'st': write_store,
    'ldmatrix': write_matrices,
    'stmatrix': write_matrices,
}
