"""Draw what a model makes of a video: tokens, scan orders, delta, answer.

Example:
    python tools/analysis_tools/draw_overview.py clip.mp4 CONFIG.py \\
        CHECKPOINT.pth --out figures/overview
"""

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
import torch

from mmvideomamba.analysis.delta import record_delta
from mmvideomamba.apis import find_backbone, read_clip, recognize
from mmvideomamba.cli import (
    add_model_arguments,
    add_out,
    add_video,
    load_model,
    make_parser,
    one_line_errors,
)
from mmvideomamba.models import sequence_orders
from mmvideomamba.visualization import draw_overview, save_figure

BEST = 3  # classes
MOST = 8  # columns: time steps


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    add_video(parser)
    add_model_arguments(parser)
    add_out(parser, 'overview')
    args = parser.parse_args()
    model = load_model(args)
    clip = read_clip(model, args.video, args.view)
    backbone = find_backbone(model)
    with torch.no_grad(), record_delta(model, [-1]) as recorded:
        backbone(clip.inputs)
    (delta,) = recorded.values()
    delta = delta.mean((0, 1)).cpu().numpy()
    if len(delta) > MOST:
        raise ValueError(
            f'expected at most {MOST} tokens along time, got {len(delta)}: '
            'choose a model of fewer frames'
        )
    titles = [type(order).__name__ for order in backbone.scan_orders]
    orders = sequence_orders(backbone.scan_orders, delta.shape, None)
    scores = [tuple(s) for s in recognize(model, args.video)[:BEST]]
    figure = draw_overview(
        clip.frames, dict(zip(titles, orders)), delta, scores
    )
    print(*save_figure(figure, args.out), sep='\n')


if __name__ == '__main__':
    main()
