"""Is delta larger on the moving object than behind it? (section 5.6)

Takes the test videos of MotionShapes and divides the mean of delta over the
tokens of the shape by its mean over the tokens of the background: for each
block and scan direction, averaged over the videos, with the standard error.

Every shape is brighter than its background, which alone may tell them apart.
So the model also sees each clip at rest, its middle frame throughout: the
difference is what motion adds. The model before its training is the control.

Prints tables and writes OUT.json and a figure, OUT.pdf and OUT.png.

Example:
    python tools/analysis_tools/delta_contrast.py CONFIG.py CHECKPOINT.pth
"""

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
import torch

from mmvideomamba.analysis.delta_contrast import (
    measure_contrast,
    summarize_contrast,
)
from mmvideomamba.apis import init_model
from mmvideomamba.cli import (
    add_model_arguments,
    add_out,
    load_model,
    make_parser,
    one_line_errors,
    positive_int,
)
from mmvideomamba.datasets.pipelines import find_datasets
from mmvideomamba.files import write_json
from mmvideomamba.registry import DATASETS
from mmvideomamba.tables import markdown_table
from mmvideomamba.visualization import draw_block_curves, save_figure


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    add_model_arguments(parser)
    add_out(parser, 'delta_contrast')
    parser.add_argument(
        '--num-videos',
        type=positive_int,
        default=240,
        help='at most so many of the test set (default: %(default)s)',
    )
    args = parser.parse_args()
    model = load_model(args)
    torch.manual_seed(0)
    untrained = init_model(model.cfg, None, args.device)
    videos = [
        dataset.get_data_info(index)['filename']
        for dataset in map(
            DATASETS.build, find_datasets(model.cfg, 'test_dataloader')
        )
        for index in range(len(dataset))
    ][: args.num_videos]
    count = len(videos)
    results = {
        'trained': summarize_contrast(measure_contrast(model, videos)),
        'untrained': summarize_contrast(measure_contrast(untrained, videos)),
    }

    print(f'delta on the shape / delta behind it, {count} videos')
    for name, quantities in results.items():
        print(f'\n{name}\n')
        header = 'block', 'direction', *quantities
        print(markdown_table(header, table_rows(quantities)))

    written = save_figure(draw(results), args.out)
    record = dict(
        config=args.config,
        checkpoint=args.checkpoint,
        videos=count,
        **results,
    )
    path = f'{args.out}.json'
    write_json(path, record)
    print('', *written, path, sep='\n')


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
