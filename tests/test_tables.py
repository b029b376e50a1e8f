"""Tables line up and are valid Markdown."""

from mmvideomamba.tables import markdown_table


def test_columns_line_up():
    table = markdown_table(('order', 'top-1'), [('pairwise', 53.5), ('x', 1)])
    assert table.splitlines() == [
        '| order    | top-1 |',
        '| -------- | ----: |',
        '| pairwise |  53.5 |',
        '| x        |     1 |',
    ]
