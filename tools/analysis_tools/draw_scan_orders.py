"""Draw every registered scan order (figure 2b of the paper).

    python tools/analysis_tools/draw_scan_orders.py --out scan_orders

Orders of your own appear when their module is named with --import.
"""

import argparse
import importlib
import sys

from mmvideomamba.models import sequence_orders
from mmvideomamba.models.videomamba import CLS_TOKENS
from mmvideomamba.registry import SCAN_ORDERS
from mmvideomamba.visualization import draw_scan_orders, save_figure


def parse_args():
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
        '--cls-token',
        choices=[str(place).lower() for place in CLS_TOKENS],
        default='head',
        help='where the class token stands (default: %(default)s)',
    )
    parser.add_argument(
        '--import',
        dest='module',
        metavar='MODULE',
        help='module to import first, which registers orders of your own',
    )
    return parser.parse_args()


def main():
    args = parse_args()
    if args.module:
        importlib.import_module(args.module)
    known = SCAN_ORDERS.module_dict
    for name in args.orders:
        if name not in known:
            sys.exit(
                f'error: unknown scan order {name!r}, expected one of '
                f'{", ".join(known)}'
            )
    names = args.orders or list(known)
    if min(args.grid) < 1:
        sys.exit(
            f'error: --grid needs three positive numbers, got {args.grid}'
        )
    cls_token = None if args.cls_token == 'none' else args.cls_token
    walks = sequence_orders(
        [known[name]() for name in names], tuple(args.grid), cls_token
    )
    figure = draw_scan_orders(dict(zip(names, walks)), tuple(args.grid))
    for path in save_figure(figure, args.out):
        print(path)


if __name__ == '__main__':
    main()
