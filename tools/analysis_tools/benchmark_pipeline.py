"""Measure what a clip costs before it reaches the model, by stage.

Examples:
    python tools/analysis_tools/benchmark_pipeline.py CONFIG.py
    python tools/analysis_tools/benchmark_pipeline.py CONFIG.py \\
        --video data/kinetics400/videos_train/a.mp4 --passes train --rate 800

The pipelines of a config run beside the same steps of mmaction2 alone: decord,
`Resize`, and RandAugment by Pillow. Both draw the same clips and
augmentations, in turns; each has one thread, as a worker of a data loader has.
A clip of a test pipeline is all views of a video. CPU time is what counts
where workers share the cores: it says how many cores a rate of clips needs.

Without --video, files are made in work_dirs/benchmark_videos: moving textures
of 340 x 256 with a keyframe in every 250 and 32 frames, and of 1280 x 720.
"""

import argparse
from pathlib import Path

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmvideomamba.benchmark.decoders import compare_decoders
from mmvideomamba.benchmark.pipeline_stages import (
    PASSES,
    build_pipelines,
    check_videos,
    format_pipelines,
    measure_pipelines,
)
from mmvideomamba.benchmark.record import describe_machine
from mmvideomamba.benchmark.sample_videos import write_samples
from mmvideomamba.benchmark.tables import describe
from mmvideomamba.cli import (
    add_cfg_options,
    existing_file,
    make_parser,
    one_line_errors,
    positive_int,
)
from mmvideomamba.files import write_json

NOTE = """
CPU ms: of a clip, median and interquartile range of the rounds, and of its
stages; ratio: to mmaction2's in the same round; clock ms: with what else the
machine does."""


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('config', type=existing_file, help='config of a model')
    parser.add_argument(
        '--video',
        nargs='+',
        metavar='FILE',
        help='videos to measure on; by default some are made',
    )
    parser.add_argument(
        '--passes',
        nargs='+',
        choices=PASSES,
        default=list(PASSES),
        metavar='NAME',
        help=f'pipelines, of {", ".join(PASSES)} (default: %(default)s)',
    )
    parser.add_argument(
        '--rounds',
        type=positive_int,
        default=15,
        help='clips of each (default: %(default)s)',
    )
    parser.add_argument(
        '--rate',
        type=positive_int,
        default=100,
        help='clips a second that the cores are counted for (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--decoders',
        action='store_true',
        help='print what the libraries take that are installed (decord, PyAV, '
        'OpenCV, torchcodec) to decode the same frames, and nothing else',
    )
    parser.add_argument(
        '--json',
        metavar='FILE',
        help='write the results there, see mmvideomamba/benchmark/record.py',
    )
    add_cfg_options(
        parser, 'train_dataloader.dataset.pipeline.0.num_threads=2'
    )
    return parser.parse_args()


@one_line_errors()
def main() -> None:
    args = parse_args()
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options or {})
    init_default_scope(config.get('default_scope', 'mmaction'))
    pipelines = build_pipelines(config, args.passes)
    videos = args.video or write_samples(Path('work_dirs/benchmark_videos'))
    check_videos(videos, pipelines)
    if args.decoders:
        print(compare_decoders(pipelines, videos, args.rounds))
        return
    results = measure_pipelines(pipelines, videos, args.rounds)
    machine = describe_machine('cpu')
    table = format_pipelines(results, args.rate)
    print(describe(machine), '', table, NOTE, sep='\n')
    if args.json:
        record = dict(benchmark='pipeline', machine=machine, results=results)
        write_json(args.json, record)


if __name__ == '__main__':
    main()
