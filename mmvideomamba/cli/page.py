"""Open a page to try models in a browser.

Clips are uploaded, recorded or taken from the model's test set; the page shows
what is in them and what the model looks at. Public models are downloaded when
they are chosen. Without a MODEL it is that of tools/quickstart.sh.

Only this machine can open the page unless --host names another address.

Example:
    mmvideomamba page
    mmvideomamba page work_dirs/my_videos --port 8000
"""

import os
import socket
from importlib.util import find_spec
from pathlib import Path

from ..model_zoo import Source, find_model
from ..page.models import Models
from ..page.samples import find_samples
from ..page.server import serve
from .arguments import (
    config_or_model,
    make_parser,
    one_line_errors,
    positive_int,
    require_weights,
)

QUICKSTART = 'work_dirs/quickstart'


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument(
        'model',
        nargs='?',
        type=config_or_model,
        help='name of a model, folder of a training, or config',
    )
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='its weights, a file or a URL; named models and folders have '
        'their own',
    )
    parser.add_argument(
        '--device', help='for example cuda:0; by default a GPU if there is one'
    )
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to listen at; 0.0.0.0 lets everybody in who can reach '
        'this machine (default: %(default)s)',
    )
    parser.add_argument(
        '--port',
        type=positive_int,
        default=7860,
        help='port to listen at (default: %(default)s)',
    )
    args = parser.parse_args()
    name = args.model or QUICKSTART
    if args.model is None and not os.path.isdir(QUICKSTART):
        raise ValueError(
            f'there is no {QUICKSTART}: bash tools/quickstart.sh makes it in '
            'minutes, or name a model: mmvideomamba page MODEL'
        )
    if find_spec('gradio') is None:
        raise ValueError(
            "the page needs the extra page: pip install 'mmvideomamba[page]', "
            "or pip install 'gradio>=6.31,<7'"
        )
    require_free(args.host, args.port)
    config, own = find_model(name)
    checkpoint = require_weights(args.checkpoint or own, name)
    path = Path(name).absolute()
    models = Models(
        path.stem if path.suffix == '.py' else path.name,
        Source(config, checkpoint),
        args.device,
    )
    serve(models, find_samples(config), args.host, args.port)


def require_free(host: str, port: int) -> None:
    """Raise an OSError unless one can listen there."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        # create_server says again where.
        reason = str(error.strerror).split(' (')[0]
        raise OSError(
            f'cannot listen at {host}, port {port}: {reason}. Name another '
            'with --port or --host'
        ) from error
