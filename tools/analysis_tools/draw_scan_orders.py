"""Draw every registered scan order (figure 2b of the paper).

Example:
    python tools/analysis_tools/draw_scan_orders.py --out scan_orders

Orders of your own appear when their module is named with --import.
"""

import argparse
import importlib

from mmvideomamba.models import build_scan_order, sequence_orders
from mmvideomamba.registry import SCAN_ORDERS
from mmvideomamba.visualization import draw_scan_orders, save_figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'orders',
        nargs='*',
        metavar='ORDER',
        help='registered names; all of them when none is given',
    )
    parser.add_argument(
        '--out',
        default='scan_orders',
        help='path of the figure without suffix (default: %(default)s)',
    )
    parser.add_argument(
        '--grid',
        nargs=3,
        type=int,
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
    grid = tuple(args.grid)
    if min(grid) < 1:
        parser.error(f'--grid needs three positive numbers, got {grid}')
    try:
        if args.module:
            importlib.import_module(args.module)
        names = args.orders or list(SCAN_ORDERS.module_dict)
        orders = [build_scan_order(dict(type=name)) for name in names]
    except (ImportError, ValueError) as error:
        parser.error(str(error))
    position = args.cls_token_position
    position = None if position == 'none' else position
    walks = sequence_orders(orders, grid, position)
    figure = draw_scan_orders(dict(zip(names, walks)), grid)
    for path in save_figure(figure, args.out):
        print(path)


if __name__ == '__main__':
    main()
