"""List the public weights: the names that other commands and Python take.

Example:
    mmvideomamba list
    mmvideomamba list '*8f*'
"""

from itertools import groupby

from ..model_zoo import list_models
from ..tables import markdown_table
from .arguments import make_parser, one_line_errors


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument(
        'pattern',
        nargs='?',
        default='*',
        help='names with shell wildcards, such as "*8f*" (default: all)',
    )
    args = parser.parse_args()
    models = list_models(args.pattern)
    if not models:
        raise ValueError(
            f'no public weights are called {args.pattern!r}; '
            '`mmvideomamba list` tells all names'
        )
    header = ('name', 'frames', 'size', 'params (M)', 'GFLOPs', 'top-1 (%)')
    groups = groupby(models, lambda model: (model.dataset, model.results_from))
    for (dataset, results_from), group in groups:
        rows = [
            (m.name, m.frames, m.size, m.params, m.gflops, m.top1)
            for m in group
        ]
        print(f'{dataset}; top-1: {results_from}\n')
        print(f'{markdown_table(header, rows)}\n')
