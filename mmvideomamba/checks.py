"""Checks of arguments that several parts make."""

from typing import Any, Iterable


def require_choice(name: str, value: Any, choices: Iterable) -> None:
    """Raise a ValueError that names the choices unless `value` is one.

    Args:
        name (str): What is chosen, such as 'out_type'.
        value: What was chosen.
        choices (Iterable): What may be chosen.
    """
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(
            f'unknown {name} {value!r}, expected one of '
            f'{", ".join(map(repr, choices))}'
        )
