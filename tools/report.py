"""What a model gets wrong on the test set of its config.

Takes its checkpoint, and tests it, or what test.py --dump wrote of it. Prints
the accuracy of each class and the worst mistakes, by file name; writes both to
OUT.md, and the confusion matrix to OUT.png and OUT.pdf.

Example:
    python tools/report.py CONFIG.py CHECKPOINT.pth --out work_dirs/mine/report
    python tools/report.py CONFIG.py scores.pkl --out work_dirs/mine/report
"""

from mmvideomamba.analysis.mistakes import (
    classify_test_set,
    read_classified,
    write_report,
)
from mmvideomamba.apis import init_model
from mmvideomamba.cli import (
    add_model_arguments,
    add_out,
    make_parser,
    one_line_errors,
    positive_int,
)
from mmvideomamba.model_zoo import read_config


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    add_model_arguments(
        parser, 'its weights, a file or a URL, or a .pkl of test.py --dump'
    )
    add_out(parser, default='report')
    parser.add_argument(
        '--mistakes',
        type=positive_int,
        default=20,
        help='how many are listed (default: %(default)s)',
    )
    args = parser.parse_args()
    if args.checkpoint.endswith(('.pkl', '.pickle')):
        config = read_config(args.config)
        config.merge_from_dict(args.cfg_options or {})
        classified = read_classified(args.checkpoint, config)
    else:
        model = init_model(
            args.config, args.checkpoint, args.device, args.cfg_options
        )
        classified = classify_test_set(model, model.cfg)
    print(write_report(classified, args.out, args.mistakes))
    print(f'written: {args.out}.md, .png and .pdf')


if __name__ == '__main__':
    main()
