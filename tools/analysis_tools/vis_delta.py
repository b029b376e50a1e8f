"""Show what delta, the step size of the scan, looks at (figure 4).

Writes a contact sheet, OUT.pdf and OUT.png, with time along the columns and
blocks along the rows, and OUT.mp4, the clip with the maps over it.

Example:
    python tools/analysis_tools/vis_delta.py clip.mp4 CONFIG.py \\
        CHECKPOINT.pth --blocks 0 8 16 23 --out figures/delta
"""

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
import torch

from mmvideomamba.analysis.blocks import spread_blocks
from mmvideomamba.analysis.delta import record_delta
from mmvideomamba.apis import find_backbone, read_clip
from mmvideomamba.cli import (
    add_blocks,
    add_model_arguments,
    add_out,
    add_video,
    load_model,
    make_parser,
    one_line_errors,
)
from mmvideomamba.visualization import save_token_maps


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    add_video(parser)
    add_model_arguments(parser)
    add_out(parser, 'delta')
    add_blocks(parser)
    parser.add_argument(
        '--direction',
        type=int,
        help='number of one scan direction, counted from 0; by default the '
        'mean of all',
    )
    args = parser.parse_args()
    model = load_model(args)
    clip = read_clip(model, args.video, args.view)
    backbone = find_backbone(model)

    num_directions = len(backbone.scan_orders)
    if args.direction is None:
        directions, which = slice(None), 'all directions'
    elif 0 <= args.direction < num_directions:
        directions, which = [args.direction], f'direction {args.direction}'
    else:
        raise ValueError(
            f'the model has {num_directions} directions, there is no '
            f'direction {args.direction}'
        )
    blocks = args.blocks
    if blocks is None:
        blocks = spread_blocks(backbone.num_layers)
    with torch.no_grad(), record_delta(model, blocks) as delta:
        backbone(clip.inputs)
    maps = {
        f'block {block}': delta[block][directions].mean((0, 1)).cpu().numpy()
        for block in sorted(delta)
    }

    title = rf'mean of $\Delta$ over the channels, {which}'
    print(*save_token_maps(clip.frames, maps, title, args.out), sep='\n')


if __name__ == '__main__':
    main()
