"""The files that a traced recognizer can be written to, and read from.

`write` takes a program of `recognizer.trace`; `load` returns a function from
frames, (N, T, H, W, 3) uint8, to the arrays that the model gives.
"""

import importlib.util
import logging
import warnings
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, NamedTuple, Tuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from ..ops.clip_check import require_clips
from .recognizer import export_any_batch

Run = Callable[[np.ndarray], List[np.ndarray]]
# From the opset that the translations are written in to the last that torch
# can write: from 23 on with ONNX's RMSNormalization.
OPSETS = range(18, 26)


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        suffix (str): Of its name.
        write (Callable): Writes a program to a path, for an ONNX opset.
        load (Callable): Makes a `Run` of a path.
        tolerance (float): Largest difference to the model's scores.
        packages (tuple[str, ...]): What it takes beside torch.
    """

    suffix: str
    write: Callable[[ExportedProgram, str, int], object]
    load: Callable[[str], Run]
    tolerance: float
    packages: Tuple[str, ...] = ()


def to_onnx(program: ExportedProgram, opset: int = OPSETS[0]) -> Any:
    """Translate a program, with `onnx_operators.TRANSLATIONS`.

    Returns:
        torch.onnx.ONNXProgram: Its first output is called `scores`, the next
        `features`.
    """
    from .onnx_operators import TRANSLATIONS

    for name in ('torch.onnx', 'onnxscript'):
        # They tell of each node that they leave as it is.
        logging.getLogger(name).setLevel(logging.ERROR)
    with _without_torchs_warnings():
        return torch.onnx.export(
            program,
            custom_translation_table=TRANSLATIONS,
            output_names=['scores', 'features'],
            opset_version=opset,
            verbose=False,
        )


def write_onnx(program: ExportedProgram, path: str, opset: int) -> None:
    """Write an ONNX model, its weights inside, and check it."""
    import onnx

    to_onnx(program, opset).save(path, external_data=False)
    onnx.checker.check_model(path, full_check=True)


def load_onnx(path: str) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options)
    return lambda frames: session.run(None, {'frames': frames})


def write_export(program: ExportedProgram, path: str, opset: int) -> None:
    torch.export.save(program, path)


def load_export(path: str) -> Run:
    return on_arrays(torch.export.load(path).module())


def write_aoti(program: ExportedProgram, path: str, opset: int) -> None:
    """Compile a program, behind a check of the clips that it is given."""
    (clips,), _ = program.example_inputs
    _, *sizes = clips.shape
    checked = export_any_batch(_Checked(program.module(), sizes), clips)
    with _without_torchs_warnings():
        torch._inductor.aoti_compile_and_package(checked, package_path=path)


class _Checked(nn.Module):
    """A model that takes clips of these sizes only."""

    def __init__(self, model: nn.Module, sizes: List[int]) -> None:
        super().__init__()
        self.model = model
        self.sizes = sizes

    def forward(self, clips: Tensor) -> Tuple[Tensor, ...]:
        return self.model(require_clips(clips, self.sizes))


def load_aoti(path: str) -> Run:
    return on_arrays(torch._inductor.aoti_load_package(path))


@contextmanager
def _without_torchs_warnings() -> Iterator[None]:
    """Leave out what torch says of its own code."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)
        yield


def on_arrays(model: Callable[..., Any]) -> Run:
    """Let a model of tensors take and give arrays."""

    def run(frames: np.ndarray) -> List[np.ndarray]:
        # Up to a tenth of the time less than in `no_grad` for small models.
        with torch.inference_mode():
            return [t.numpy() for t in model(torch.from_numpy(frames))]

    return run


FORMATS = {
    'onnx': Format(
        *('.onnx', write_onnx, load_onnx, 1e-4),
        packages=('onnx', 'onnxscript', 'onnxruntime'),
    ),
    'export': Format('.pt2', write_export, load_export, 1e-5),
    'aoti': Format('.pt2', write_aoti, load_aoti, 1e-5),
}


def require_format(name: str, path: str, opset: int) -> None:
    """Raise unless a file of this format can be written to this path.

    Raises:
        ValueError: Another suffix, a missing package, or an opset that is not
            one of `OPSETS`.
    """
    form = FORMATS[name]
    if not path.endswith(form.suffix):
        raise ValueError(
            f'expected a name that ends in {form.suffix} for the format '
            f'{name}, got {path}'
        )
    require_packages(name)
    if opset not in OPSETS:
        raise ValueError(
            f'expected an ONNX opset from {OPSETS[0]} to {OPSETS[-1]}, got '
            f'{opset}'
        )


def require_packages(name: str) -> None:
    """Raise a ValueError unless what a format takes is installed."""
    missing = missing_packages(name)
    if missing:
        raise ValueError(
            f'the format {name} takes {", ".join(missing)}: pip install '
            f'{" ".join(missing)}'
        )


def missing_packages(name: str) -> List[str]:
    """What a format takes and is not installed."""
    return [
        package
        for package in FORMATS[name].packages
        if importlib.util.find_spec(package) is None
    ]
