"""What is built: kernels and `.mim`. All else is in pyproject.toml."""

import platform
import shutil
from pathlib import Path
from typing import Dict, List

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError

ROOT = Path(__file__).resolve().parent

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


CSRC = Path('mmvideomamba') / 'ops' / 'csrc'
COMPILE_FLAGS = [
    *('-std=c++17', '-O3', '-g0', '-fvisibility=hidden'),
    *('-ffp-contract=fast', '-fno-math-errno', '-fno-trapping-math'),
]
# Named as torch.backends.cpu.get_cpu_capability() names them.
INSTRUCTION_SETS = {'baseline': []}
if platform.machine().lower() in ('x86_64', 'amd64'):
    INSTRUCTION_SETS['avx2'] = ['-mavx2', '-mfma']
    INSTRUCTION_SETS['avx512'] = [
        *('-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma'),
    ]


class BuildKernels(build_ext):
    """Compile the CPU kernels, once per instruction set, into one library.

    It is a plain library for ctypes, not a Python module. The extension is
    optional: without a compiler the installation succeeds, and the scan says
    at run time what to install.
    """

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split('.'))) + '.so'

    def build_extension(self, ext: Extension) -> None:
        # Apple's clang has no OpenMP.
        try:
            openmp = ['-fopenmp']
            objects = self.compile('baseline', ext, openmp)
        except CompileError:
            openmp = []
            objects = self.compile('baseline', ext, openmp)
        for isa in list(INSTRUCTION_SETS)[1:]:
            try:
                objects += self.compile(isa, ext, openmp)
            except CompileError as error:
                self.warn(f'no kernels for {isa}: {error}')
        self.compiler.link_shared_object(
            objects,
            self.get_ext_fullpath(ext.name),
            extra_postargs=openmp,
            target_lang='c++',
        )

    def compile(
        self, isa: str, ext: Extension, openmp: List[str]
    ) -> List[str]:
        return self.compiler.compile(
            ext.sources,
            output_dir=str(Path(self.build_temp) / isa),
            macros=[('ISA', isa)],
            extra_postargs=[*COMPILE_FLAGS, *INSTRUCTION_SETS[isa], *openmp],
        )


setup(
    ext_modules=[
        Extension(
            'mmvideomamba.ops._kernels',
            sources=sorted(str(path) for path in CSRC.glob('*.cpp')),
            depends=sorted(str(path) for path in CSRC.glob('*.h')),
            language='c++',
            optional=True,
        )
    ],
    cmdclass={'build_ext': BuildKernels, 'build_py': BuildWithMim},
    zip_safe=False,
)
