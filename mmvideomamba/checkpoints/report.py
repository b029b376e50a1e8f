"""What became of a checkpoint's tensors, as rows and as text for the log."""

import re
from typing import Dict, List, NamedTuple, Tuple

from torch import Tensor

from .checkpoint_family import Weights


class Row(NamedTuple):
    """What became of one parameter.

    `status` is 'loaded'; 'adapted'; 'missing', in the model only; or
    'unexpected', in the checkpoint only. `faithful` is False where the model
    will not compute what the model of the checkpoint does.
    """

    status: str
    name: str
    before: str = ''
    after: str = ''
    how: str = ''
    faithful: bool = True


def unexpected_head(weights: Weights) -> List[Row]:
    """Return the rows of a head that is not loaded."""
    return [
        Row('unexpected', f'head: {name}', shape_of(tensor))
        for name, tensor in weights.head.items()
    ]


def make_report(weights: Weights, rows: List[Row]) -> str:
    """Return one line for each row that is not simply loaded.

    Rows of several blocks that differ in the block's number only are one
    line.
    """
    loaded = sum(row.status == 'loaded' for row in rows)
    lines = [
        f'{weights.title}, recognised {weights.evidence}',
        f'  loaded     {loaded} tensors unchanged',
    ]
    for row in rows:
        name = re.sub(r'^layers\.\d+\.', 'layers.*.', row.name)
        shapes = ' -> '.join(filter(None, (row.before, row.after)))
        parts = filter(None, (name, shapes, row.how))
        line = f'  {row.status:10} ' + ' | '.join(parts)
        if row.status != 'loaded' and line not in lines:
            lines.append(line)
    return '\n'.join(lines)


def shape_of(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


def shapes_of(tensors: Dict[str, Tensor]) -> Dict[str, Tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
