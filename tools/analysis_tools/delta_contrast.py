"""Is delta larger on the moving object than behind it? (section 5.6)

Takes the test videos of MotionShapes and divides the mean of delta over the
tokens of the shape by its mean over the tokens of the background: for each
block and scan direction, averaged over the videos, with the standard error.

Every shape is brighter than its background, and that alone may set the two
apart. So each clip is also shown at rest, its middle frame throughout: the
difference is what motion adds. The same model before its training is the
control. Prints tables and writes OUT.json and a figure, OUT.pdf and OUT.png.

Example:
    python tools/analysis_tools/delta_contrast.py CONFIG.py CHECKPOINT.pth
"""

import json
import sys
from pathlib import Path

from model_arguments import load_model, make_parser, parse_args


def main() -> None:
    parser = make_parser(__doc__, 'delta_contrast')
    parser.add_argument(
        '--num-videos',
        type=int,
        default=240,
        help='at most so many of the test set (default: %(default)s)',
    )
    args = parse_args(parser)
    import torch

    model = load_model(args)
    torch.manual_seed(0)
    untrained = load_model(args, checkpoint=False)

    from mmvideomamba.analysis.table import markdown_table
    from mmvideomamba.registry import DATASETS
    from mmvideomamba.visualization import save_figure

    try:
        dataset = DATASETS.build(model.cfg.test_dataloader.dataset)
        count = min(args.num_videos, len(dataset))
        videos = [dataset.get_data_info(i)['filename'] for i in range(count)]
        results = {
            'trained': summarize(measure(model, videos)),
            'untrained': summarize(measure(untrained, videos)),
        }
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')

    print(f'delta on the shape / delta behind it, {len(videos)} videos')
    for name, quantities in results.items():
        print(f'\n{name}\n')
        header = 'block', 'direction', *quantities
        print(markdown_table(header, table_rows(quantities)))

    out = Path(args.out)
    written = save_figure(draw(results), out)
    path = out.with_name(f'{out.name}.json')
    record = dict(
        config=args.config,
        checkpoint=args.checkpoint,
        videos=len(videos),
        **results,
    )
    path.write_text(json.dumps(record, indent=2) + '\n')
    print('', *written, path, sep='\n')


def measure(model, videos):
    """Delta on the shape / delta behind it of every video.

    Returns:
        Tensor: (videos, 2, blocks, directions), the clip and the clip at
        rest; NaN where no token is the shape's.
    """
    import torch

    from mmvideomamba.analysis.delta import record_delta, region_ratio
    from mmvideomamba.analysis.inputs import read_clip
    from mmvideomamba.progress import track

    ratios = []
    for video in track(videos, len(videos)):
        clip = read_clip(video, model)
        middle = [len(clip.frames) // 2] * len(clip.frames)
        inputs = torch.cat([clip.inputs, clip.inputs[:, :, middle]])
        with torch.no_grad(), record_delta(model) as delta:
            model.backbone(inputs)
        grid = delta[0].shape[2:]
        pictures = clip.frames, clip.frames[middle]
        share = torch.stack([shape_share(p, grid) for p in pictures])
        share = share.to(inputs.device)
        # Tokens on the edge of the shape belong to neither.
        regions = share > 0.5, share == 0
        blocks = [region_ratio(d, *regions) for d in delta.values()]
        ratios.append(torch.stack(blocks).permute(2, 0, 1).cpu())
    return torch.stack(ratios)


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


def summarize(ratios):
    """Quantity -> mean over the videos and its standard error.

    Both are lists, blocks of directions. The error of the difference is that
    of pairs, and smaller than those of its parts.
    """
    moving, rest = ratios.unbind(1)
    quantities = {
        'moving': moving,
        'at rest': rest,
        'difference': moving - rest,
    }
    summary = {}
    for name, values in quantities.items():
        mean = values.nanmean(dim=0)
        count = (~values.isnan()).sum(dim=0)
        # With one video the error is not known: 0 / 0, NaN.
        variance = (values - mean).square().nansum(dim=0) / (count - 1)
        error = (variance / count).sqrt()
        summary[name] = dict(mean=mean.tolist(), error=error.tolist())
    return summary


def table_rows(quantities):
    """A row for each block and direction, `mean ± error` in the cells."""
    for block, means in enumerate(quantities['moving']['mean']):
        for direction in range(len(means)):
            cells = [
                f'{q["mean"][block][direction]:.3f}'
                f' ± {q["error"][block][direction]:.3f}'
                for q in quantities.values()
            ]
            yield block, direction, *cells


def draw(results):
    """The ratios over the blocks, beside those at rest and untrained."""
    from mmvideomamba.visualization import draw_block_curves

    curves, controls = {}, {}
    trained = results['trained']
    moving, rest = (zip(*trained[q]['mean']) for q in ('moving', 'at rest'))
    for direction, (values, still) in enumerate(zip(moving, rest)):
        name = f'direction {direction}'
        curves[name] = values
        curves[f'{name}, at rest'] = still
        controls[f'{name}, at rest'] = name
    untrained = results['untrained']['moving']['mean']
    curves['untrained, mean'] = [sum(ks) / len(ks) for ks in untrained]
    controls['untrained, mean'] = None
    label = r'$\Delta$ on the shape / behind it'
    return draw_block_curves(curves, label, controls, reference=1.0)


if __name__ == '__main__':
    main()
