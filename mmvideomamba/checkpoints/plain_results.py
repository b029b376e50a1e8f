"""Read the predictions that mmengine's `DumpResults` pickled, as data.

A pickle is a program. This one is read as the content of a torch file of the
old kind, which `torch_files` reads without running it. Each tensor in it is a
torch file of its own, of which the numbers are taken.
"""

import io
import pickle
import pickletools
from typing import Any, Dict, List

import torch
from torch.serialization import MAGIC_NUMBER, PROTOCOL_VERSION

from .plain_data import NAMES
from .plain_numpy import UnsafeFile, named
from .torch_files import DamagedFile, read_torch

TENSOR = 'torch.storage._load_from_bytes'
DTYPES = dict(
    DoubleStorage=torch.float64,
    FloatStorage=torch.float32,
    HalfStorage=torch.float16,
    BFloat16Storage=torch.bfloat16,
    LongStorage=torch.int64,
    IntStorage=torch.int32,
    ShortStorage=torch.int16,
    CharStorage=torch.int8,
    ByteStorage=torch.uint8,
    BoolStorage=torch.bool,
)


def read_results(path: str) -> List[Dict[str, Any]]:
    """Read a .pkl file of predictions, one dict for each sample.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, refused as unsafe, or no list of dicts.
    """
    with open(path, 'rb') as file:
        content = file.read()
    header = (MAGIC_NUMBER, PROTOCOL_VERSION, dict(little_endian=True))
    parts = [pickle.dumps(part, protocol=2) for part in header]
    whole = b''.join([*parts, content, pickle.dumps([], protocol=2)])
    try:
        results = read_torch(
            io.BytesIO(whole),
            names=NAMES | {TENSOR},
            standins=[_numbers_of_tensor],
        )
    except UnsafeFile as error:
        raise ValueError(
            f'{path} was refused: {error}. Make it anew with test.py --dump'
        ) from error
    except DamagedFile as error:
        raise ValueError(
            f'{path} is damaged or no dump of test.py ({error}). Make it '
            'anew with test.py --dump'
        ) from error
    if not isinstance(results, list) or not all(
        isinstance(result, dict) for result in results
    ):
        raise ValueError(
            f'{path}: expected a list with a dict for each sample, as '
            f'test.py --dump writes it, got a {type(results).__name__}'
        )
    return results


@named(TENSOR)
def _numbers_of_tensor(content: Any) -> Any:
    """Stands for torch's reader of the numbers of a pickled tensor.

    Returns:
        TypedStorage: They stay where they are, so that a tensor that is named
        many times takes its memory once.
    """
    if not isinstance(content, bytes):
        raise UnsafeFile('the numbers of a tensor are no bytes')
    stream = io.BytesIO(content)
    kinds = [
        str(argument)
        for _ in range(5)
        for opcode, argument, _ in pickletools.genops(stream)
        if opcode.name == 'GLOBAL'
    ]
    dtype = DTYPES.get(kinds[0].replace('torch ', '')) if kinds else None
    if dtype is None or len(kinds) != 1:
        raise UnsafeFile(f'a tensor of {kinds}, expected one kind of number')
    count = int.from_bytes(stream.read(8), 'little')
    start = stream.tell()
    if count * dtype.itemsize != len(content) - start:
        raise UnsafeFile('a tensor has other numbers than it says')
    if not count:
        return torch.empty(0, dtype=dtype).storage()
    numbers = torch.frombuffer(content, dtype=dtype, offset=start)
    return numbers.storage()
