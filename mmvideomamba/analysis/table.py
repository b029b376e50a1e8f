"""`markdown_table` under the name by which tables of results import it."""

from ..tables import markdown_table  # noqa: F401, which others import here
