"""Things that a machine may lack: loaded at their first use, or why not."""

from functools import update_wrapper
from threading import Lock
from typing import Callable, Generic, List, Optional, TypeVar

T = TypeVar('T')


class Unavailable(RuntimeError):
    """Something cannot be loaded here; the message says why."""


class load_once(Generic[T]):
    """Decorate a loader: call it once, remember what it gave or why not.

        @load_once
        def library() -> ctypes.CDLL:
            raise Unavailable('there is no compiler')

        library.why_not()    # 'there is no compiler'
        library()            # raises Unavailable

    Args:
        load (Callable): Takes nothing, returns what is wanted or raises
            `Unavailable` with the reason.
    """

    def __init__(self, load: Callable[[], T]) -> None:
        update_wrapper(self, load)
        self._load = load
        self._lock = Lock()
        self._loaded: List[T] = []
        self._reason: Optional[str] = None

    def __call__(self) -> T:
        reason = self.why_not()
        if reason is not None:
            raise Unavailable(reason)
        return self._loaded[0]

    def why_not(self) -> Optional[str]:
        """Return the reason, None where it can be loaded."""
        with self._lock:
            if not self._loaded and self._reason is None:
                try:
                    self._loaded.append(self._load())
                except Unavailable as error:
                    self._reason = str(error)
        return self._reason

    def forget(self) -> None:
        """Load again at the next call."""
        self._loaded, self._reason = [], None
