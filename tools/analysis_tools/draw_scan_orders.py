"""Draw every registered scan order (figure 2b of the paper).

Example:
    python tools/analysis_tools/draw_scan_orders.py --out scan_orders

Orders of your own appear when their module is named with --import.
"""

import importlib

from mmvideomamba.cli import (
    add_out,
    make_parser,
    one_line_errors,
    positive_int,
)
from mmvideomamba.models import build_scan_order, sequence_orders
from mmvideomamba.registry import SCAN_ORDERS
from mmvideomamba.visualization import draw_scan_orders, save_figure


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument(
        'orders',
        nargs='*',
        metavar='ORDER',
        help='registered names; all of them when none is given',
    )
    add_out(parser, 'scan_orders')
    parser.add_argument(
        '--grid',
        nargs=3,
        type=positive_int,
        default=(3, 3, 3),
        metavar=('T', 'H', 'W'),
        help='tokens along time, height and width (default: 3 3 3)',
    )
    parser.add_argument(
        '--cls-token-position',
        choices=('head', 'middle', 'none'),
        default='head',
        help='where the class token stands (default: %(default)s)',
    )
    parser.add_argument(
        '--import',
        dest='module',
        metavar='MODULE',
        help='module to import first, which registers orders of your own',
    )
    args = parser.parse_args()
    if args.module:
        try:
            importlib.import_module(args.module)
        except ImportError as error:
            raise ValueError(f'--import {args.module}: {error}') from error
    names = args.orders or list(SCAN_ORDERS.module_dict)
    orders = [build_scan_order(dict(type=name)) for name in names]
    grid = tuple(args.grid)
    position = args.cls_token_position
    sequences = sequence_orders(
        orders, grid, None if position == 'none' else position
    )
    figure = draw_scan_orders(dict(zip(names, sequences)), grid)
    for path in save_figure(figure, args.out):
        print(path)


if __name__ == '__main__':
    main()
