"""Test a checkpoint on reordered frames (table 1 of the paper).

Four orders of the frames of every clip: sequential, block-wise, pairwise and
interleaved. The model is loaded once. Prints the table and writes OUT.json
and a bar chart, OUT.pdf and OUT.png.

Example:
    python tools/analysis_tools/temporal_consistency.py CONFIG.py \\
        CHECKPOINT.pth --out work_dirs/temporal_consistency
"""

import argparse
import json
import os.path as osp
import sys
from pathlib import Path

from mmengine.config import Config, DictAction


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config of the model')
    parser.add_argument('checkpoint', help='weights of the model')
    parser.add_argument(
        '--out',
        default='temporal_consistency',
        help='path of the results without suffix (default: %(default)s)',
    )
    parser.add_argument(
        '--device', help='for example cuda:0; by default a GPU if there is one'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='settings that replace those of the config',
    )
    args = parser.parse_args()
    for path in (args.config, args.checkpoint):
        # A checkpoint may also be a URL.
        if '://' not in path and not osp.isfile(path):
            parser.error(f'no such file: {path}')
    return args


def main() -> None:
    args = parse_args()
    import torch
    from mmaction.apis import init_recognizer

    from mmvideomamba.analysis.table import markdown_table
    from mmvideomamba.analysis.temporal_consistency import (
        evaluate_frame_orders,
    )
    from mmvideomamba.datasets.transforms.reorder_frames import FRAME_ORDERS
    from mmvideomamba.visualization import draw_accuracies, save_figure

    device = args.device or ('cuda:0' if torch.cuda.is_available() else 'cpu')
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options)
    # The checkpoint brings the weights; nothing else is to be loaded.
    config.model.backbone.pop('init_cfg', None)
    model = init_recognizer(config, args.checkpoint, device=device)
    try:
        results = evaluate_frame_orders(model, config, FRAME_ORDERS)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')

    metrics = list(results['sequential'])
    rows = [
        (order, *(f'{100 * values[metric]:.1f}' for metric in metrics))
        for order, values in results.items()
    ]
    print(markdown_table(('order', *metrics), rows))

    out = Path(args.out)
    top1 = {order: values['acc/top1'] for order, values in results.items()}
    chance = 1 / config.model.cls_head.num_classes
    written = save_figure(draw_accuracies(top1, chance=chance), out)
    record = dict(
        config=args.config, checkpoint=args.checkpoint, results=results
    )
    path = out.with_name(f'{out.name}.json')
    path.write_text(json.dumps(record, indent=2) + '\n')
    print(*written, path, sep='\n')


if __name__ == '__main__':
    main()
