"""Packaging of mmvideomamba. Settings of the tools are in pyproject.toml."""

import runpy
import shutil
from pathlib import Path
from typing import Dict, List

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
VERSION = runpy.run_path(str(ROOT / 'mmvideomamba' / 'version.py'))

# Where `mim train mmvideomamba ...` looks for what lies beside the package.
MIM = Path('mmvideomamba') / '.mim'
MIM_SOURCES = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    """Put `.mim` into the package: copies in a wheel, links when editable.

    A wheel's copies are made in the build folder, so that the source tree
    stays as it was; an editable install needs its links in the source tree,
    where git ignores them.
    """

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            self.link_mim()
            return
        for built, source in self.mim_files().items():
            self.mkpath(str(Path(built).parent))
            self.copy_file(source, built)

    def link_mim(self) -> None:
        mim = ROOT / MIM
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir()
        for name in MIM_SOURCES:
            (mim / name).symlink_to(
                Path('..', '..', name), target_is_directory='.' not in name
            )

    def mim_files(self) -> Dict[str, str]:
        """Map each file of `.mim` in the build folder to its source."""
        sources = [ROOT / 'model-index.yml']
        for folder in ('configs', 'tools'):
            sources += (ROOT / folder).rglob('*')
        return {
            str(Path(self.build_lib) / MIM / path.relative_to(ROOT)): str(path)
            for path in sorted(sources)
            if path.is_file() and path.suffix != '.pyc'
        }

    def get_outputs(self, include_bytecode: bool = True) -> List[str]:
        outputs = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else [*outputs, *self.mim_files()]


setup(
    name='mmvideomamba',
    version=VERSION['__version__'],
    description="KAIST's VideoMamba (ECCV 2024) as a plugin of mmaction2",
    license='Apache-2.0',
    license_files=['LICENSE'],
    keywords=['video understanding', 'action recognition', 'mamba'],
    packages=find_packages(include=['mmvideomamba', 'mmvideomamba.*']),
    python_requires='>=3.9',
    # mmcv stays out: mmcv and mmcv-lite install the same module, so naming
    # one here would break installations of the other. Without either,
    # `import mmvideomamba` says what to run.
    install_requires=[
        'av',
        'matplotlib',
        'mmaction2==1.2.0',
        'mmengine>=0.10.7,<1.0',
        'numpy',
        'safetensors',
        'torch>=2.4',
    ],
    extras_require={
        'tests': ['hypothesis', 'pytest>=8', 'ruff'],
    },
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
