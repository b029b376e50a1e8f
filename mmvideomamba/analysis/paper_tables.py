"""Tables 2 to 9 of the paper beside what was measured here.

The figures are in paper_tables.yml.
"""

from pathlib import Path
from typing import Dict, NamedTuple, Optional, Sequence, Tuple

from mmengine.fileio import load

from ..tables import format_number, markdown_table
from .ablations import ABLATIONS, row_name


class Result(NamedTuple):
    """One figure of a table.

    Attributes:
        published (float, optional): In percent; None where the paper has no
            figure.
        config (str, optional): Name of the config behind it, without `.py`;
            None for another model.
        row (str, optional): The row of the table's ablation that changes the
            config; None for the config itself.
        name (str, optional): Name of the work folder of config and row.
        metric (str): Its metric in the log of the test.
    """

    published: Optional[float]
    config: Optional[str] = None
    row: Optional[str] = None
    name: Optional[str] = None
    metric: str = 'acc/top1'


class Table(NamedTuple):
    """A table of results.

    Attributes:
        title (str): What it compares.
        columns (tuple[str, ...]): Titles of what describes a row.
        results (tuple[str, ...]): Titles of the results.
        rows (Sequence): (description, results) of every row.
        ablation (str, optional): The one of `ABLATIONS` that is this table.
    """

    title: str
    columns: Tuple[str, ...]
    results: Tuple[str, ...]
    rows: Sequence[Tuple[Tuple[str, ...], Tuple[Result, ...]]]
    ablation: Optional[str] = None


def format_table(
    table: Table, measured: Dict[str, Dict[str, float]] = {}
) -> str:
    """A table in Markdown, with what was measured beside what is published.

    Args:
        table (Table): One of `TABLES`.
        measured (dict): `Result.name` -> metrics of its test, accuracies in
            0..1. Without any, the measured columns are left out.
    """
    header = list(table.columns)
    for title in table.results:
        header += [f'{title} published'] + ['measured'] * bool(measured)
    rows = []
    for description, results in table.rows:
        row = list(description)
        for result in results:
            row.append(format_number(result.published, 1))
            if measured:
                metrics = measured.get(result.name or '', {})
                row.append(format_number(metrics.get(result.metric), 1, 0.01))
        rows.append(row)
    return markdown_table(header, rows)


def _read_tables() -> Dict[int, Table]:
    data = load(Path(__file__).with_suffix('.yml'))
    ablations = {a.table: name for name, a in ABLATIONS.items()}
    tables = {}
    for number, table in data['tables'].items():
        ablation = ablations.get(number)
        titles = tuple(table['results'])
        rows = [_read_row(ablation, titles, *row) for row in table['rows']]
        tables[number] = Table(
            table['title'], tuple(table['columns']), titles, rows, ablation
        )
    return tables


def _read_row(
    ablation: Optional[str],
    titles: Sequence[str],
    description: Sequence[object],
    published: Sequence[Optional[float]],
    configs: Sequence[Optional[str]] = (None,),
    row: Optional[str] = None,
) -> Tuple[Tuple[str, ...], Tuple[Result, ...]]:
    if len(configs) == 1:
        configs = [*configs] * len(titles)
    results = []
    for title, accuracy, config in zip(titles, published, configs):
        name = config
        if config and ablation and row:
            name = row_name(config, ablation, row)
        metric = 'acc/top5' if title == 'top-5' else 'acc/top1'
        results.append(Result(accuracy, config, row, name, metric))
    return tuple(map(str, description)), tuple(results)


TABLES = _read_tables()
