"""Run a script of this folder in a process of its own.

`ptxrun` replaces how Triton launches kernels, and those of the tests' process
belong to the interpreter.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import List, Sequence

HERE = Path(__file__).parent


def run_script(name: str, *args: str, path: Sequence[Path] = ()) -> List[dict]:
    """What a script prints, a JSON object a line.

    Args:
        name (str): Of its file.
        args (str): Its arguments.
        path (sequence[Path]): Folders of packages that go before all others.

    Raises:
        CalledProcessError: It fails.
    """
    env = {k: v for k, v in os.environ.items() if k != 'TRITON_INTERPRET'}
    paths = [*map(str, path), str(HERE.parents[1])]
    paths += env.get('PYTHONPATH', '').split(os.pathsep)
    done = subprocess.run(
        [sys.executable, HERE / name, *args],
        env=dict(env, PYTHONPATH=os.pathsep.join(filter(None, paths))),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
