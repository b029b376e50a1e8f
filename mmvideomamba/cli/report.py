"""What a model gets wrong on the test set of its config.

Takes its checkpoint, and tests it, or what `test --dump` wrote of it. Prints
the accuracy of each class and the worst mistakes, by file name; writes both to
OUT.md, and the confusion matrix to OUT.png and OUT.pdf.

Example:
    mmvideomamba report CONFIG.py CHECKPOINT.pth --out work_dirs/mine/report
    mmvideomamba report CONFIG.py scores.pkl --out work_dirs/mine/report
"""

from ..analysis.mistakes import (
    classify_test_set,
    read_classified,
    write_report,
)
from ..model_zoo import find_model
from .arguments import (
    add_model_arguments,
    add_out,
    load_model,
    make_parser,
    one_line_errors,
    positive_int,
)


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    add_model_arguments(parser, 'a file or a URL, or a .pkl of test --dump')
    add_out(parser, default='report')
    parser.add_argument(
        '--mistakes',
        type=positive_int,
        default=20,
        help='how many are listed (default: %(default)s)',
    )
    args = parser.parse_args()
    if args.checkpoint and args.checkpoint.endswith(('.pkl', '.pickle')):
        config = find_model(args.config).config
        config.merge_from_dict(args.cfg_options or {})
        classified = read_classified(args.checkpoint, config)
    else:
        model = load_model(args)
        classified = classify_test_set(model, model.cfg)
    print(write_report(classified, args.out, args.mistakes))
    print(f'written: {args.out}.md, .png and .pdf')
