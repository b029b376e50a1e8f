"""Parts that cannot run on a machine."""

from importlib.util import find_spec


class Skip(Exception):
    """A part cannot run here; the message says what it lacks."""


def require(*modules: str) -> None:
    """Skip a part that needs modules which are not installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise Skip(
            f'{", ".join(missing)} not installed; --wheels DIR brings them'
        )
