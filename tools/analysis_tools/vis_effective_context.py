"""Show which parts of a clip the feature of a model depends on.

Draws the norm of the feature's derivative by the pixels of each token
(OUT.pdf, OUT.png and OUT.mp4) and prints which share of the tokens holds half
and nine tenths of it.

Example:
    python tools/analysis_tools/vis_effective_context.py clip.mp4 CONFIG.py \\
        CHECKPOINT.pth --out figures/context
"""

from mmvideomamba.analysis.effective_context import (
    context_size,
    token_influence,
)
from mmvideomamba.apis import find_backbone, read_clip
from mmvideomamba.cli import (
    add_model_arguments,
    add_out,
    add_video,
    load_model,
    make_parser,
    one_line_errors,
    positive_int,
)
from mmvideomamba.visualization import save_token_maps


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    add_video(parser)
    add_model_arguments(parser)
    add_out(parser, 'effective_context')
    parser.add_argument(
        '--num-probes',
        type=positive_int,
        default=8,
        help='backward passes; more are more exact (default: %(default)s)',
    )
    args = parser.parse_args()
    model = load_model(args)
    clip = read_clip(model, args.video, args.view)
    backbone = find_backbone(model)
    tubelet = backbone.tokenizer.tubelet
    influence = token_influence(
        backbone, clip.inputs, tubelet, args.num_probes
    )
    for share in (0.5, 0.9):
        size = context_size(influence, share).item()
        print(f'{share:.0%} of the influence: {size:.1%} of the tokens')

    maps = {'influence': influence[0].cpu().numpy()}
    title = 'norm of the derivative of the feature by the pixels of a token'
    print(*save_token_maps(clip.frames, maps, title, args.out), sep='\n')


if __name__ == '__main__':
    main()
