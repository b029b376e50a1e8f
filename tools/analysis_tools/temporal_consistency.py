"""Test a checkpoint on reordered frames (table 1 of the paper).

Four orders of the frames of every clip: sequential, block-wise, pairwise and
interleaved. The model is loaded once. Prints the table and writes OUT.json
and a bar chart, OUT.pdf and OUT.png.

Example:
    python tools/analysis_tools/temporal_consistency.py CONFIG.py \\
        CHECKPOINT.pth --out work_dirs/temporal_consistency
"""

import json
import sys
from pathlib import Path

from model_arguments import load_model, make_parser, parse_args


def main() -> None:
    args = parse_args(make_parser(__doc__, 'temporal_consistency'))
    model = load_model(args)

    from mmvideomamba.analysis.table import markdown_table
    from mmvideomamba.analysis.temporal_consistency import (
        evaluate_frame_orders,
    )
    from mmvideomamba.datasets.transforms.reorder_frames import FRAME_ORDERS
    from mmvideomamba.visualization import draw_accuracies, save_figure

    try:
        results = evaluate_frame_orders(model, model.cfg, FRAME_ORDERS)
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
    chance = 1 / model.cfg.model.cls_head.num_classes
    written = save_figure(draw_accuracies(top1, chance=chance), out)
    record = dict(
        config=args.config, checkpoint=args.checkpoint, results=results
    )
    path = out.with_name(f'{out.name}.json')
    path.write_text(json.dumps(record, indent=2) + '\n')
    print(*written, path, sep='\n')


if __name__ == '__main__':
    main()
