"""numpy and mmengine's histories in a checkpoint, as plain numbers.

A pickle makes arrays through functions of numpy that trust what it says:
`_reconstruct` hands out memory that nobody wrote, `__setstate__` of a dtype
takes any layout. What stands for them here makes numbers of a known kind from
as many bytes as they have, or raises `UnsafeFile`. torch's restricted
unpickler finds it under the names that pickles use.
"""

import math
from typing import Any, Callable, List, TypeVar

import numpy as np
from mmengine.logging import HistoryBuffer

NUMBERS = (
    *('b1', 'i1', 'i2', 'i4', 'i8'),
    *('u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8'),
)
STATISTICS = ('min', 'max', 'current', 'mean')

Named = TypeVar('Named', bound=Callable)


class UnsafeFile(ValueError):
    """A file that holds what no weights need; the message says what."""


def unsafe_call(name: str) -> UnsafeFile:
    """The error for a file that names a function."""
    return UnsafeFile(
        f'to read it, Python would have to call {printable(name)}, which no '
        'weights need and which could do anything on this machine'
    )


def printable(text: str) -> str:
    """A text of a file, with its control characters escaped."""
    return ''.join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def named(path: str) -> Callable[[Named], Named]:
    """Give a stand-in the name that pickles have for what it stands for."""

    def rename(standin: Named) -> Named:
        standin.__module__, standin.__name__ = path.rsplit('.', 1)
        standin.__qualname__ = standin.__name__
        return standin

    return rename


@named('numpy.dtype')
class PlainDtype:
    """Stands for `numpy.dtype`: the kind of a number, by its name."""

    def __init__(self, name: Any, align: Any = False, copy: Any = True):
        if not isinstance(name, str) or name not in NUMBERS:
            raise UnsafeFile(
                f'expected numpy dtypes of plain numbers, got {name!r}'
            )
        self.dtype = np.dtype(name)

    def __setstate__(self, state: Any) -> None:
        """Take the order of the bytes alone."""
        if not isinstance(state, tuple) or state[1:2] not in (
            ('<',),
            ('>',),
            ('|',),
        ):
            raise UnsafeFile(f'a numpy dtype has the state {state!r}')
        self.dtype = self.dtype.newbyteorder(state[1])


class PlainArray(np.ndarray):
    """What the array of a pickle becomes; its state is checked."""

    def __new__(cls, *_: Any) -> 'PlainArray':
        return super().__new__(cls, 0)

    def __setstate__(self, state: Any) -> None:
        """Take as many numbers as the shape says."""
        try:
            _, shape, dtype, fortran, content = state
            sizes = [int(size) for size in shape]
            fits = (
                type(dtype) is PlainDtype
                and isinstance(content, bytes)
                and all(size >= 0 for size in sizes)
                and math.prod(sizes) * dtype.dtype.itemsize == len(content)
            )
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise UnsafeFile('a numpy array is not what its shape says')
        checked: Any = (1, tuple(sizes), dtype.dtype, bool(fortran), content)
        super().__setstate__(checked)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return np.array(self).__reduce_ex__(protocol)


class _ArrayType:
    """Stands for the class `numpy.ndarray`, which nothing may call."""

    def __init__(self) -> None:
        named('numpy.ndarray')(self)  # type: ignore[type-var]


@named('mmengine.logging.history_buffer.HistoryBuffer')
class PlainHistory(HistoryBuffer):
    """Becomes a `HistoryBuffer` when its numbers arrive.

    The class's own `__setstate__` would also take methods from the file, for
    all buffers of the process.
    """

    def __setstate__(self, state: Any) -> None:
        """Take two series of equal length, and the length they may have."""
        state = state if isinstance(state, dict) else {}
        series = [state.get(n) for n in ('_log_history', '_count_history')]
        limit = state.get('max_length')
        if (
            not all(isinstance(s, np.ndarray) and s.ndim == 1 for s in series)
            or len(series[0]) != len(series[1])
            or type(limit) is not int
            or limit < 1
        ):
            raise UnsafeFile('a HistoryBuffer holds no series of numbers')
        self._log_history, self._count_history = map(np.array, series)
        self.max_length = limit
        self._set_default_statistics()
        self.__class__ = HistoryBuffer


@named('builtins.getattr')
def _statistic(owner: Any, name: Any) -> Callable:
    """Stands for `getattr`, by which a HistoryBuffer's methods are saved."""
    if owner is not PlainHistory or name not in STATISTICS:
        raise unsafe_call('getattr')
    return getattr(HistoryBuffer, name)


@named('builtins.bytes')
def _no_bytes(*arguments: Any) -> bytes:
    """Stands for `bytes`, by which the empty ones are saved."""
    if arguments:
        raise unsafe_call('bytes')
    return b''


def _make_array(*_: Any) -> PlainArray:
    return PlainArray()


def _make_scalar(dtype: Any, content: Any = b'') -> np.generic:
    if (
        type(dtype) is not PlainDtype
        or not isinstance(content, bytes)
        or len(content) != dtype.dtype.itemsize
    ):
        raise UnsafeFile('a numpy number is not of its dtype')
    return np.frombuffer(content, dtype.dtype)[0]


def _numpy_functions() -> List[Callable]:
    """Under their names in numpy 1 and 2, whichever is installed."""
    functions: List[Callable] = []
    for core in ('core', '_core'):
        for name, make in (
            ('_reconstruct', _make_array),
            ('scalar', _make_scalar),
        ):

            def call(*args: Any, make: Callable = make) -> Any:
                return make(*args)

            functions.append(named(f'numpy.{core}.multiarray.{name}')(call))
    return functions


# All of them, for `torch.serialization.add_safe_globals`.
STANDINS: List[Any] = [
    PlainDtype,
    PlainArray,
    PlainHistory,
    _ArrayType(),
    _statistic,
    _no_bytes,
    *_numpy_functions(),
]
