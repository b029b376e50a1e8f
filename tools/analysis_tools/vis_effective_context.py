"""Show which parts of a clip the feature of a model depends on.

Draws the norm of the feature's derivative by the pixels of each token
(OUT.pdf, OUT.png and OUT.mp4) and prints which share of the tokens holds half
and nine tenths of it.

Example:
    python tools/analysis_tools/vis_effective_context.py clip.mp4 CONFIG.py \\
        CHECKPOINT.pth --out figures/context
"""

import sys

from model_arguments import load_clip, load_model, make_parser, parse_args


def main() -> None:
    parser = make_parser(__doc__, 'effective_context', with_video=True)
    parser.add_argument(
        '--num-probes',
        type=int,
        default=8,
        help='backward passes; more are more exact (default: %(default)s)',
    )
    args = parse_args(parser)
    if args.num_probes < 1:
        parser.error(f'--num-probes must be positive, got {args.num_probes}')
    model = load_model(args)
    clip = load_clip(args, model)

    from mmvideomamba.analysis.delta import find_backbone
    from mmvideomamba.analysis.effective_context import (
        context_size,
        token_influence,
    )
    from mmvideomamba.video import write_video
    from mmvideomamba.visualization import (
        draw_token_maps,
        make_overlay_frames,
        save_figure,
    )

    try:
        backbone = find_backbone(model)
    except ValueError as error:
        sys.exit(f'error: {error}')
    tubelet = backbone.tokenizer.tubelet
    influence = token_influence(
        backbone, clip.inputs, tubelet, args.num_probes
    )
    for share in (0.5, 0.9):
        size = context_size(influence, share).item()
        print(f'{share:.0%} of the influence: {size:.1%} of the tokens')

    maps = {'influence': influence[0].cpu().numpy()}
    title = 'norm of the derivative of the feature by the pixels of a token'
    figure = draw_token_maps(clip.frames, maps, title)
    print(*save_figure(figure, args.out), sep='\n')
    write_video(
        f'{args.out}.mp4', make_overlay_frames(clip.frames, maps), fps=8
    )
    print(f'{args.out}.mp4')


if __name__ == '__main__':
    main()
