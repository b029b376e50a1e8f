"""The part that runs the operators' tests."""

import subprocess
import sys
from typing import Iterator

from .bench import Bench
from .machine import ROOT
from .skip import require


def run_tests(bench: Bench) -> Iterator[dict]:
    """The backends against the reference, at awkward and at real sizes.

    Tests skip themselves where a backend cannot run, which must not pass for
    a check of our kernels: one of `[triton...]` at least has to run.

    Raises:
        RuntimeError: A test failed, or none ran.
    """
    require('pytest', 'hypothesis')
    # A rehearsal only finds them.
    how = ['--collect-only'] if bench.dry else ['-rsp']
    lines = run(
        *('-m', 'pytest', '-W', 'ignore', *how, 'tests/ops/test_triton.py'),
        *('-k', 'on_a_gpu or second_of_two'),
    ).splitlines()
    word = '' if bench.dry else 'PASSED'
    if not any(word in line and '[triton' in line for line in lines):
        raise RuntimeError(f'no test of the Triton kernels ran: {lines[-1]}')
    yield dict(summary=lines[-1])


def run(*command: str) -> str:
    """What a Python command prints; each line goes to the errors too.

    Should it fail or hang, gpu_check.py shows the last of them.
    """
    lines = []
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stderr.write(line)
            lines.append(line)
    if process.returncode:
        raise RuntimeError(f'{command} exited with {process.returncode}')
    return ''.join(lines).strip()
