"""Tables that read well in a terminal and paste well into a page."""

from typing import Iterable, List, Optional, Sequence


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[object]]
) -> str:
    """Format a Markdown table with aligned columns.

    Args:
        header (Sequence[str]): Titles of the columns.
        rows (Iterable[Sequence]): Cells; the first column is set left, the
            others right, as numbers are.

    Returns:
        str: The table, without a line end after the last row.
    """
    table = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*table)]
    rule = ['-' * widths[0]] + ['-' * (w - 1) + ':' for w in widths[1:]]
    lines = [_line(row, widths) for row in (table[0], rule, *table[1:])]
    return '\n'.join(lines)


def format_number(value: Optional[float], digits: int, unit: float = 1) -> str:
    """A number in `unit`s with so many decimals; '-' for None."""
    return '-' if value is None else f'{value / unit:.{digits}f}'


def _line(cells: Sequence[str], widths: List[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = [c.rjust(w) for c, w in zip(cells[1:], widths[1:])]
    return '| ' + ' | '.join([first, *others]) + ' |'
