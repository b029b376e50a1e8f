"""Show what delta, the step size of the scan, looks at (figure 4).

Writes a contact sheet, OUT.pdf and OUT.png, with time along the columns and
blocks along the rows, and OUT.mp4, the clip with the maps over it.

Example:
    python tools/analysis_tools/vis_delta.py clip.mp4 CONFIG.py \\
        CHECKPOINT.pth --blocks 0 8 16 23 --out figures/delta
"""

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
from mmvideomamba.analysis.delta import delta_maps
from mmvideomamba.apis import read_clip
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
    maps = delta_maps(model, clip.inputs, args.blocks, args.direction)
    which = 'all directions'
    if args.direction is not None:
        which = f'direction {args.direction}'
    title = rf'mean of $\Delta$ over the channels, {which}'
    print(*save_token_maps(clip.frames, maps, title, args.out), sep='\n')


if __name__ == '__main__':
    main()
