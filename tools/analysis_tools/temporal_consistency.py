"""Test a checkpoint on reordered frames (table 1 of the paper).

Four orders of the frames of every clip: sequential, block-wise, pairwise and
interleaved. The model is loaded once. Prints the table and writes OUT.json
and a bar chart, OUT.pdf and OUT.png.

Example:
    python tools/analysis_tools/temporal_consistency.py CONFIG.py \\
        CHECKPOINT.pth --out work_dirs/temporal_consistency
"""

from mmvideomamba.analysis.temporal_consistency import evaluate_frame_orders
from mmvideomamba.cli import (
    add_model_arguments,
    add_out,
    load_model,
    make_parser,
    one_line_errors,
)
from mmvideomamba.datasets.transforms.reorder_frames import FRAME_ORDERS
from mmvideomamba.files import write_json
from mmvideomamba.tables import format_number, markdown_table
from mmvideomamba.visualization import draw_accuracies, save_figure


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    add_model_arguments(parser)
    add_out(parser, 'temporal_consistency')
    args = parser.parse_args()
    model = load_model(args)
    results = evaluate_frame_orders(model, model.cfg, FRAME_ORDERS)

    metrics = list(results['sequential'])
    rows = [
        (order, *(format_number(values[name], 1, 0.01) for name in metrics))
        for order, values in results.items()
    ]
    print(markdown_table(('order', *metrics), rows))

    written = []
    # Without a top-1, as of videos of several labels, the table is all.
    if 'acc/top1' in metrics:
        top1 = {order: values['acc/top1'] for order, values in results.items()}
        chance = 1 / model.cfg.model.cls_head.num_classes
        written = save_figure(draw_accuracies(top1, chance=chance), args.out)
    record = dict(
        config=args.config, checkpoint=args.checkpoint, results=results
    )
    path = f'{args.out}.json'
    write_json(path, record)
    print(*written, path, sep='\n')


if __name__ == '__main__':
    main()
