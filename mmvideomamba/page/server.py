"""Serving the page: where, to whom, and until when."""

import os
import shutil
import signal
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Dict

from .limits import MAX_MEGABYTES
from .models import Models


def serve(
    models: Models, samples: Dict[str, str], host: str, port: int
) -> None:
    """Serve the page until Ctrl-C or SIGTERM, and delete all its files.

    Args:
        models (Models): See `layout.Page`.
        samples (dict[str, str]): See `find_samples`.
        host (str): Address to listen at.
        port (int): Port to listen at.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory(prefix='mmvideomamba-page-') as folder,
        suppress(KeyboardInterrupt),
    ):
        # Read when Gradio is imported: where it keeps what is uploaded and
        # shown, and that it reports to nobody.
        os.environ['GRADIO_TEMP_DIR'] = f'{folder}/shown'
        os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
        from .layout import STYLE, THEME, Page

        bypass_proxies('localhost', host)
        page = Page(models, copy_samples(samples, folder))
        _, url, _ = page.blocks.launch(
            prevent_thread_lock=True,
            quiet=True,
            server_name=host,
            server_port=port,
            share=False,
            max_file_size=f'{MAX_MEGABYTES}mb',
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            theme=THEME,
            css=STYLE,
        )
        print(f'The page is at {url} until Ctrl-C', flush=True)
        try:
            threading.Event().wait()
        finally:
            page.blocks.close(verbose=False)


def bypass_proxies(*hosts: str) -> None:
    """Let this process reach hosts directly: Gradio asks its own server."""
    others = os.environ.get('no_proxy') or os.environ.get('NO_PROXY')
    hosts = (*filter(None, [others]), *hosts)
    os.environ['no_proxy'] = os.environ['NO_PROXY'] = ','.join(hosts)


def copy_samples(samples: Dict[str, str], folder: str) -> Dict[str, str]:
    """Copy videos to where their names say nothing of this machine."""
    copies = {}
    for number, (name, path) in enumerate(samples.items()):
        copies[name] = f'{folder}/sample_{number}{Path(path).suffix}'
        shutil.copyfile(path, copies[name])
    return copies
