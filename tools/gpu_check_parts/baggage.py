"""What a bare machine is given for the check: wheels, and mamba-ssm."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import List, Optional, TextIO

# The machine's own: another torch may not fit its driver.
THE_MACHINES = ('torch-', 'triton-', 'nvidia_')
# In the order in which they are built.
SDISTS = ('causal_conv1d', 'mamba_ssm')


def install_wheels(folder: Path, target: str) -> None:
    """Install a folder's wheels, without what they depend on.

    Args:
        folder (Path): Where the wheels are.
        target (str): The folder to install them to.

    Raises:
        ValueError: There are none, or one does not fit this Python.
    """
    wheels = [
        str(path)
        for path in sorted(folder.glob('*.whl'))
        if not path.name.startswith(THE_MACHINES)
    ]
    if not wheels:
        raise ValueError(f'--wheels {folder}: no wheels there')
    pip = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-index']
    done = subprocess.run(
        [*pip, '--no-deps', '--no-compile', '--target', target, *wheels],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ['pip failed']
        reason = next((x for x in said if x.startswith('ERROR')), said[-1])
        version = '.'.join(map(str, sys.version_info[:2]))
        raise ValueError(
            f'--wheels {folder}, for Python {version} on {sys.platform}: '
            f'{reason.removeprefix("ERROR: ")}'
        )


class Build:
    """mamba-ssm and causal-conv1d, built from sdists in the background.

    For the GPU that is here alone, not for all that their setup.py lists.

    Args:
        folder (Path, optional): Where the sdists are. Nothing is built where
            there are none, or where the packages are installed.
        target (str): The folder of packages that they are built into.
    """

    def __init__(self, folder: Optional[Path], target: str) -> None:
        self.process: Optional[subprocess.Popen] = None
        self.log: Optional[TextIO] = None
        sdists = find_sdists(folder)
        if sdists and find_spec('mamba_ssm') is None:
            self.log = open(Path(target, 'build.log'), 'w+')  # noqa: SIM115
            self.process = subprocess.Popen(
                [sys.executable, __file__, target, *map(str, sdists)],
                env=build_environment(target),
                stdout=self.log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait(self, seconds: float) -> None:
        """Until it is done, for so long at most."""
        end = time.monotonic() + seconds
        while self.running() and time.monotonic() < end:
            time.sleep(0.2)

    def remark(self) -> str:
        """What a part that it is for should say."""
        if self.process is None or self.log is None:
            return ''
        if self.running():
            return '; its build has not finished'
        if self.process.returncode:
            self.log.seek(0)
            lines = self.log.read().strip().splitlines()
            return f'; its build failed: {lines[-1] if lines else ""}'
        return ''

    def close(self) -> None:
        if self.running():
            assert self.process is not None
            os.killpg(self.process.pid, 9)
            self.process.wait()
        if self.log is not None:
            self.log.close()


def find_sdists(folder: Optional[Path]) -> List[Path]:
    """Those of `SDISTS`, or none where one of them is missing."""
    if folder is None:
        return []
    found = [sorted(folder.glob(f'{name}-*.tar.gz')) for name in SDISTS]
    return [paths[-1] for paths in found] if all(found) else []


def build_environment(target: str) -> dict:
    """No downloads, and room for the parts that run meanwhile."""
    paths = target, os.environ.get('PYTHONPATH', '')
    return dict(
        os.environ,
        PYTHONPATH=os.pathsep.join(filter(None, paths)),
        MAX_JOBS=str(max(1, (os.cpu_count() or 1) - 4)),
        CAUSAL_CONV1D_FORCE_BUILD='TRUE',
        MAMBA_FORCE_BUILD='TRUE',
        MAMBA_KEEP_CUDA_BUILD='TRUE',
    )


def build(sdist: Path, target: str) -> None:
    """Build a package into a folder of packages.

    Raises:
        CalledProcessError: It does not build.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Python has filters from 3.10.12 and 3.11.4 on.
        safe = {'filter': 'data'} if hasattr(tarfile, 'data_filter') else {}
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, **safe)
        (source,) = Path(folder).iterdir()
        setup = source / 'setup.py'
        setup.write_text(for_this_gpu(setup.read_text()))
        command = [sys.executable, 'setup.py', '-q', 'build']
        subprocess.run(
            [*command, '--build-lib', target], cwd=source, check=True
        )


def has_nvcc() -> bool:
    """Whether CUDA's compiler is where torch looks for it."""
    home = os.environ.get('CUDA_HOME', '/usr/local/cuda')
    return bool(shutil.which('nvcc')) or Path(home, 'bin/nvcc').exists()


def for_this_gpu(setup: str) -> str:
    """A setup.py without its list of GPUs: torch then adds the one here."""
    flags = r'cc_flag\.append\("(-gencode|arch=[^"]*)"\)'
    return re.sub(flags, 'pass', setup)


def main() -> None:
    os.nice(10)
    target, *sdists = sys.argv[1:]
    if not has_nvcc():
        sys.exit('there is no nvcc; install that of torch.version.cuda')
    for sdist in sdists:
        try:
            build(Path(sdist), target)
        except subprocess.CalledProcessError as error:
            # Its last line says why.
            sys.exit(error.returncode)


if __name__ == '__main__':
    main()
