"""Other programs that want the processor, as on machines that users share."""

import subprocess
import sys
from contextlib import contextmanager
from typing import Iterator


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Run so many processes that each keep one core busy.

        with busy_processes(1):
            model(clips)

    Args:
        count (int): May be 0.
    """
    program = 'print(flush=True)\nwhile True: pass'
    processes = [
        subprocess.Popen([sys.executable, '-c', program], stdout=-1)
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # it has begun
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()
