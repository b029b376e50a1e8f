"""Things that a machine may lack: loaded at their first use, or why not."""

from typing import Callable, Generic, Optional, TypeVar

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
        self._load = load
        self.forget()

    def __call__(self) -> T:
        reason = self.why_not()
        if reason is not None:
            raise Unavailable(reason)
        return self._loaded

    def why_not(self) -> Optional[str]:
        """Return the reason, None where it can be loaded."""
        if not self._asked:
            try:
                self._loaded = self._load()
            except Unavailable as error:
                self._reason = str(error)
            self._asked = True
        return self._reason

    def forget(self) -> None:
        """Load again at the next call."""
        self._asked = False
        self._reason: Optional[str] = None
