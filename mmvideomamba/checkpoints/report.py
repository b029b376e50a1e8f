"""What became of a checkpoint's tensors, as rows and as text for the log."""

import re
from typing import Dict, List, NamedTuple, Tuple

from torch import Tensor

from ..text import printable
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

    @property
    def where(self) -> str:
        """The name, alike for all blocks."""
        return re.sub(r'^layers\.\d+\.', 'layers.*.', self.name)

    @property
    def values(self) -> str:
        """Those of checkpoint and model, as far as they are known."""
        return ' -> '.join(filter(None, (self.before, self.after)))


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
        parts = filter(None, (row.where, row.values, row.how))
        line = f'  {row.status:10} ' + printable(' | '.join(parts))
        if row.status != 'loaded' and line not in lines:
            lines.append(line)
    return '\n'.join(lines)


def shape_of(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


def shapes_of(tensors: Dict[str, Tensor]) -> Dict[str, Tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
