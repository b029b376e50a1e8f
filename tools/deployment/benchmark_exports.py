"""Measure a recognizer beside its exports, in 8 bits and in bfloat16.

Each is made of the same weights and gets the same clips: how much CPU time
they take, in turns, how large the file is, how far the scores are from the
model's, on how many clips the best class is the same. With --test-set the
clips are those of the config's test set, and the accuracy is told too.
Without CHECKPOINT the weights are random: times do not depend on them.

model         in PyTorch with the C++ kernels
reference     in PyTorch with scan_backend='reference'
export, aoti, onnx    what export.py writes
bf16          in PyTorch under autocast
int8-weights, int8-dynamic    in PyTorch, the linear layers by torchao
onnx-int8     the ONNX model by onnxruntime's quantize_dynamic

CPU time is that of all threads; OMP_NUM_THREADS=1 takes one.

Example:
    OMP_NUM_THREADS=1 python tools/deployment/benchmark_exports.py CONFIG.py \\
        CHECKPOINT.pth --variants model onnx bf16 --batch-sizes 1 8
"""

import tempfile
from pathlib import Path

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
import torch

from mmvideomamba.apis import init_model
from mmvideomamba.benchmark.deployed_models import (
    DeployedModels,
    format_deployed,
)
from mmvideomamba.benchmark.record import describe_machine
from mmvideomamba.benchmark.tables import describe as describe_in_line
from mmvideomamba.cli import (
    add_cfg_options,
    add_measurement,
    config_or_model,
    make_parser,
    one_line_errors,
)
from mmvideomamba.deployment.clips import draw_clips, read_test_set
from mmvideomamba.deployment.description import describe
from mmvideomamba.deployment.recognizer import DeployedRecognizer
from mmvideomamba.deployment.variants import MAKERS, Variants
from mmvideomamba.files import write_json
from mmvideomamba.model_zoo import find_model


def parse_args():
    parser = make_parser(__doc__)
    parser.add_argument(
        'config', type=config_or_model, help='its config, name or folder'
    )
    parser.add_argument(
        'checkpoint', nargs='?', help='its weights, a file or a URL'
    )
    parser.add_argument(
        '--variants',
        nargs='+',
        choices=list(MAKERS),
        default=['model', 'export', 'aoti', 'onnx'],
        metavar='NAME',
        help=f'of {", ".join(MAKERS)}; ratios are to the first that runs '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--test-set',
        action='store_true',
        help='score the videos of the test set instead of drawn clips',
    )
    add_measurement(parser)
    parser.set_defaults(rounds=15, budget=60.0)
    add_cfg_options(parser, 'model.backbone.num_frames=8')
    return parser.parse_args()


@one_line_errors()
def main() -> None:
    args = parse_args()
    config, own = find_model(args.config)
    config.merge_from_dict(args.cfg_options or {})
    about = describe(config)
    torch.manual_seed(0)
    model = init_model(config, args.checkpoint or own, 'cpu')
    if args.test_set:
        videos, labels = read_test_set(config)
    else:
        count = max(args.batch_sizes)
        clips = draw_clips(count, about['frames'], about['crop'])
        videos, labels = clips[:, None], None
    results = []
    with tempfile.TemporaryDirectory() as folder:
        variants = Variants(
            DeployedRecognizer(model), videos[0].shape[1:4], Path(folder)
        )
        models = DeployedModels(variants, videos, labels)
        for batch_size in args.batch_sizes:
            results += models.measure(
                args.variants, batch_size, args.rounds, args.budget
            )
    machine = describe_machine('cpu')
    print(describe_in_line(machine), '', format_deployed(results), sep='\n')
    if args.json:
        record = dict(benchmark='exports', machine=machine, results=results)
        write_json(args.json, record)


if __name__ == '__main__':
    main()
