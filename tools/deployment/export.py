"""Write a trained recognizer for programs without mmaction2.

The file takes raw frames, (N, T, H, W, 3) uint8 RGB with any N, and gives the
scores of the classes. Before it gets its name it is compared with the model,
on clips of --video or on drawn ones: a table shows the largest difference of
the scores, on how many clips the best class is the same, sizes and latencies.
Beside it a .json tells the classes and how clips are made of a video.

onnx    for onnxruntime and others: standard operators, no torch
export  a torch.export program: for Python with torch and this package
aoti    the same compiled by AOTInductor, for this kind of machine

Example:
    python tools/deployment/export.py CONFIG.py CHECKPOINT.pth \\
        --format onnx --out model.onnx
"""

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
import os
import time
from pathlib import Path

import numpy as np
import torch
from mmaction.structures import ActionDataSample

from mmvideomamba.apis import init_model, read_clip
from mmvideomamba.benchmark.deployed_models import cpu_seconds
from mmvideomamba.benchmark.timing import run_rounds, summarize_rounds
from mmvideomamba.cli import (
    add_cfg_options,
    config_or_model,
    existing_file,
    make_parser,
    one_line_errors,
    positive_int,
    require_weights,
)
from mmvideomamba.deployment.clips import draw_clips
from mmvideomamba.deployment.description import describe
from mmvideomamba.deployment.formats import FORMATS, OPSETS, require_format
from mmvideomamba.deployment.recognizer import DeployedRecognizer, trace
from mmvideomamba.files import atomic_write, write_json
from mmvideomamba.model_zoo import find_model
from mmvideomamba.tables import markdown_table

ROUNDS, BUDGET = 25, 10.0
HEADER = (
    *('', 'MB', 'largest difference', 'same best class'),
    *('CPU ms for a clip', 'ratio'),
)


def parse_args():
    parser = make_parser(__doc__)
    parser.add_argument(
        'config', type=config_or_model, help='its config, name or folder'
    )
    parser.add_argument(
        'checkpoint', nargs='?', help='its weights, a file or a URL'
    )
    parser.add_argument('--format', choices=list(FORMATS), required=True)
    parser.add_argument(
        '--out', required=True, help='a name that ends in .onnx or .pt2'
    )
    parser.add_argument(
        '--views',
        type=positive_int,
        help='clips of a video, for the .json; by default as many as the test '
        'pipeline makes, without its crops at the sides',
    )
    parser.add_argument(
        '--features',
        action='store_true',
        help="return the backbone's features too",
    )
    parser.add_argument(
        '--video', type=existing_file, help='compare on the clips of this'
    )
    parser.add_argument(
        '--opset',
        type=int,
        default=OPSETS[0],
        help='of the ONNX operators (default: %(default)s)',
    )
    add_cfg_options(parser, 'model.backbone.scan_backend=reference')
    return parser.parse_args()


@one_line_errors()
def main() -> None:
    args = parse_args()
    require_format(args.format, args.out, args.opset)
    config, own = find_model(args.config)
    checkpoint = require_weights(args.checkpoint or own, args.config)
    config.merge_from_dict(args.cfg_options or {})
    description = describe(config, args.views)
    model = init_model(config, checkpoint, 'cpu')
    recognizer = DeployedRecognizer(model, args.features)
    clips = make_clips(model, description, args.video)
    start = time.perf_counter()
    program = trace(recognizer, clips.shape[1:4])
    form = FORMATS[args.format]
    with atomic_write(args.out) as partial:
        form.write(program, partial, args.opset)
        took = time.perf_counter() - start
        table, difference = compare(model, form.load(partial), clips, partial)
        print(f'{table}\n\nexported in {took:.0f} s')
        if not difference <= form.tolerance:
            raise ValueError(
                f'the scores differ from those of the model by up to '
                f'{difference:.1e}, expected at most {form.tolerance:.0e}: '
                f'{args.out} is not written'
            )
    about = Path(args.out).with_suffix('.json')
    write_json(about, dict(description, config=Path(args.config).stem))
    print(f'written: {args.out} and {about}')


def make_clips(model, description, video):
    """(N, T, H, W, 3) uint8: the views of a video, or drawn clips."""
    if video is not None:
        views = range(description['clips'])
        return np.stack([read_clip(model, video, i).frames for i in views])
    return draw_clips(8, description['frames'], description['crop'])


def compare(model, run, clips, path):
    """Compare what `run` makes of clips with what a model makes of them.

    Returns:
        tuple[str, float]: A table, and the largest difference of the scores.
    """

    def run_model(frames):
        # One clip after another: some models take one video at a time.
        scores = []
        for clip in torch.from_numpy(frames).permute(0, 4, 1, 2, 3):
            data = dict(inputs=[clip[None]], data_samples=[ActionDataSample()])
            with torch.no_grad():
                (sample,) = model.test_step(data)
            scores.append(sample.pred_score.numpy())
        return np.stack(scores)

    # One clip, and several at once.
    batches = np.split(clips, [1]) if len(clips) > 1 else [clips]
    expected = np.concatenate([run_model(batch) for batch in batches])
    actual = np.concatenate([run(batch)[0] for batch in batches])
    difference = np.abs(actual - expected).max()
    same = (actual.argmax(1) == expected.argmax(1)).sum()
    calls = {
        'model': lambda: cpu_seconds(lambda: run_model(clips[:1])),
        'file': lambda: cpu_seconds(lambda: run(clips[:1])),
    }
    timings = summarize_rounds(run_rounds(calls, ROUNDS, BUDGET))
    weights = sum(t.nbytes for t in model.state_dict().values())
    cells = [
        (weights, '', ''),
        (
            os.path.getsize(path),
            f'{difference:.1e}',
            f'{same} of {len(clips)}',
        ),
    ]
    rows = []
    for (name, timing), (size, *of_scores) in zip(timings.items(), cells):
        times = f'{1e3 * timing.median:.1f}', timing.ratios['model']['median']
        rows.append(
            (
                name,
                f'{size / 1e6:.1f}',
                *of_scores,
                times[0],
                f'{times[1]:.2f}',
            )
        )
    return markdown_table(HEADER, rows), difference


if __name__ == '__main__':
    main()
