"""Is delta larger on the moving object than behind it? (section 5.6)

Takes the test videos of MotionShapes, where every shape is brighter than its
background, and divides the mean of delta over the tokens of the shape by its
mean over the tokens of the background: for each block and scan direction,
averaged over the videos. The same model before its training is the control.
Prints a table and writes OUT.json and a figure, OUT.pdf and OUT.png.

Example:
    python tools/analysis_tools/delta_contrast.py CONFIG.py CHECKPOINT.pth
"""

import json
import sys
from pathlib import Path

from model_arguments import load_model, make_parser, parse_args

# The control, as the quantity is named in tables and figures.
CONTROL = 'untrained, mean'


def main() -> None:
    parser = make_parser(__doc__, 'delta_contrast')
    parser.add_argument(
        '--num-videos',
        type=int,
        default=80,
        help='at most so many of the test set (default: %(default)s)',
    )
    args = parse_args(parser)
    import torch

    model = load_model(args)
    torch.manual_seed(0)
    untrained = load_model(args, checkpoint=False)

    from mmvideomamba.analysis.table import markdown_table
    from mmvideomamba.registry import DATASETS
    from mmvideomamba.visualization import draw_block_curves, save_figure

    try:
        dataset = DATASETS.build(model.cfg.test_dataloader.dataset)
        count = min(args.num_videos, len(dataset))
        videos = [dataset.get_data_info(i)['filename'] for i in range(count)]
        ratios = measure(model, videos)
        control = measure(untrained, videos)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')

    curves = {
        f'direction {direction}': ratios[:, direction].tolist()
        for direction in range(ratios.shape[1])
    }
    curves[CONTROL] = control.mean(dim=1).tolist()
    rows = [
        (block, *(f'{curve[block]:.3f}' for curve in curves.values()))
        for block in range(len(ratios))
    ]
    print(f'delta on the shape / delta behind it, {len(videos)} videos\n')
    print(markdown_table(('block', *curves), rows))

    out = Path(args.out)
    label = r'$\Delta$ on the shape / behind it'
    figure = draw_block_curves(curves, label, [CONTROL], reference=1.0)
    written = save_figure(figure, out)
    path = out.with_name(f'{out.name}.json')
    record = dict(
        config=args.config,
        checkpoint=args.checkpoint,
        videos=len(videos),
        ratios=curves,
    )
    path.write_text(json.dumps(record, indent=2) + '\n')
    print(*written, path, sep='\n')


def measure(model, videos):
    """Mean ratio over the videos, (blocks, directions)."""
    import torch

    from mmvideomamba.analysis.delta import record_delta, region_ratio
    from mmvideomamba.analysis.inputs import read_clip
    from mmvideomamba.progress import track

    ratios = []
    for video in track(videos, len(videos)):
        clip = read_clip(video, model)
        with torch.no_grad(), record_delta(model) as delta:
            model.backbone(clip.inputs)
        share = shape_share(clip.frames, delta[0].shape[2:])[None]
        share = share.to(clip.inputs.device)
        # Tokens on the edge of the shape belong to neither.
        regions = share > 0.5, share == 0
        ratios.append(
            torch.stack(
                [region_ratio(d, *regions)[:, 0] for d in delta.values()]
            )
        )
    return torch.stack(ratios).nanmean(dim=0)


def shape_share(frames, grid):
    """The part of each token's pixels that the shape covers, (T, H, W)."""
    import torch
    import torch.nn.functional as F

    from mmvideomamba.datasets.motion_shapes import (
        BACKGROUND_RANGE,
        SURFACE_RANGE,
    )

    level = (BACKGROUND_RANGE[1] + SURFACE_RANGE[0]) / 2
    is_shape = torch.from_numpy(frames).float().mean(dim=-1) > level
    return F.adaptive_avg_pool3d(is_shape[None].float(), grid)[0]


if __name__ == '__main__':
    main()
