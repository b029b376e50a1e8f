"""Show which parts of a clip speak for a class: Grad-CAM on the blocks.

Writes a contact sheet, OUT.pdf and OUT.png, with time along the columns and
blocks along the rows, and OUT.mp4, the clip with the maps over it.

Example:
    python tools/analysis_tools/vis_grad_cam.py clip.mp4 CONFIG.py \\
        CHECKPOINT.pth --blocks 8 16 23 --out figures/grad_cam
"""

from mmvideomamba.analysis.blocks import spread_blocks
from mmvideomamba.analysis.grad_cam import grad_cam
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
from mmvideomamba.datasets.pipelines import find_class_names
from mmvideomamba.visualization import save_token_maps


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    add_video(parser)
    add_model_arguments(parser)
    add_out(parser, 'grad_cam')
    add_blocks(parser)
    parser.add_argument(
        '--label',
        type=int,
        help='number of the class, counted from 0; by default the one with '
        'the highest score',
    )
    args = parser.parse_args()
    model = load_model(args)
    clip = read_clip(model, args.video, args.view)
    blocks = args.blocks
    if blocks is None:
        blocks = spread_blocks(find_backbone(model).num_layers)
    found, label = grad_cam(model, clip.frames, blocks, args.label)
    maps = {f'block {block}': found[block] for block in sorted(found)}

    names = find_class_names(model.cfg.test_dataloader.dataset)
    name = names[label] if names else f'class {label}'
    title = f'Grad-CAM for {name}'
    print(*save_token_maps(clip.frames, maps, title, args.out), sep='\n')


if __name__ == '__main__':
    main()
