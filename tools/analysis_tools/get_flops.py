"""Count the parameters and the multiply-accumulates of a model.

Example:
    python tools/analysis_tools/get_flops.py CONFIG.py

Prints both protocols: the paper's, without the inside of the state space model
(convolution, x_proj, dt_proj and the scan), and the complete one.
"""

import json

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
import torch

from mmvideomamba.analysis.flops import count_complexity
from mmvideomamba.analysis.training_memory import count_training_memory
from mmvideomamba.apis import init_model, input_shape
from mmvideomamba.benchmark.model_workloads import ModelWorkload
from mmvideomamba.cli import (
    add_cfg_options,
    config_or_model,
    make_parser,
    one_line_errors,
    positive_int,
)
from mmvideomamba.tables import markdown_table

NOTE = """
In G = 10^9 multiply-accumulates, for one view of one video. "Paper" is what
the paper prints: it leaves out the scan and what surrounds it (convolution,
x_proj, dt_proj), which the usual counters do not see. "Complete" counts all,
the selective scan as 9 per token, channel and state of each direction and one
each for the skip D and the gate z."""


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument(
        'config',
        type=config_or_model,
        help='config of any mmaction2 recognizer, or a model folder',
    )
    parser.add_argument(
        '--shape',
        nargs=3,
        type=positive_int,
        metavar=('T', 'H', 'W'),
        help='frames, height and width of the clip, by default what the '
        'validation pipeline makes',
    )
    parser.add_argument(
        '--memory',
        type=positive_int,
        metavar='CLIPS',
        help='also measure the memory of a training step of so many clips, '
        'above weights and clips: tensors on the CPU, in float32',
    )
    parser.add_argument(
        '--training-memory',
        action='store_true',
        help='also count, without a training step, what one holds on a GPU: '
        'weights, gradients and moments of AdamW, and what a clip keeps',
    )
    add_cfg_options(parser)
    parser.add_argument(
        '--json', action='store_true', help='print JSON instead of a table'
    )
    args = parser.parse_args()
    model = init_model(args.config, None, 'cpu', args.cfg_options)
    shape = input_shape(model.cfg)
    if args.shape:
        shape = (*shape[:-3], *args.shape)
    cost = count_complexity(model, shape)
    memory = None
    if args.memory:
        clips = torch.randn(args.memory, *shape[2:])
        workload = ModelWorkload(model, clips)
        memory = workload.memory('training', 'fp32')['memory']
    training = None
    if args.training_memory:
        training = count_training_memory(model, shape)

    if args.json:
        print(
            json.dumps(
                dict(
                    config=args.config,
                    input_shape=cost.input_shape,
                    parameters=cost.parameters,
                    paper_macs=cost.paper,
                    complete_macs=cost.complete,
                    memory=memory,
                    training_memory=training and training._asdict(),
                    modules=[row._asdict() for row in cost.modules],
                ),
                indent=2,
            )
        )
        return
    rows = [
        (row.module, row.operation, giga(row.paper), giga(row.complete))
        for row in cost.modules
    ]
    rows.append(('total', '', giga(cost.paper), giga(cost.complete)))
    print(f'input       {" x ".join(map(str, cost.input_shape))}')
    print(f'parameters  {cost.parameters / 1e6:.3f} M')
    if memory is not None:
        print(f'memory      {memory / 1e6:.1f} MB')
    if training is not None:
        print(f'states      {training.states / 1e9:.2f} GB in a process')
        print(f'kept        {training.kept / 1e9:.2f} GB for the clip')
    print()
    print(markdown_table(('module', 'operation', 'paper', 'complete'), rows))
    print(NOTE)


def giga(macs: int) -> str:
    return f'{macs / 1e9:.3f}'


if __name__ == '__main__':
    main()
