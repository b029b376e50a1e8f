"""All that a trained recognizer can run as, of the same weights.

In PyTorch, in bfloat16 or 8 bits, and as each of the files of `formats.py`.
"""

import copy
import importlib.util
import io
from functools import cached_property
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Tuple

import numpy as np
import torch
from torch.export import ExportedProgram

from ..models.norm import RMSNorm
from .formats import FORMATS, OPSETS, Run, on_arrays, require_packages
from .recognizer import DeployedRecognizer, trace


class Variant(NamedTuple):
    """Something that gives the scores of a recognizer.

    Attributes:
        run (Run): From frames to what the model gives.
        size (int): Bytes of its file.
    """

    run: Run
    size: int


class Variants:
    """Makes all that one recognizer can run as, by the names of `MAKERS`.

    Args:
        recognizer (DeployedRecognizer): On the CPU.
        clip_size (tuple[int, int, int]): (T, H, W) of its clips.
        folder (Path): Gets the files.
    """

    def __init__(
        self,
        recognizer: DeployedRecognizer,
        clip_size: Tuple[int, int, int],
        folder: Path,
    ) -> None:
        self.recognizer = recognizer
        self.folder = folder
        self.clip_size = clip_size

    @cached_property
    def program(self) -> ExportedProgram:
        return trace(self.recognizer, self.clip_size)

    def model(self) -> Variant:
        return in_torch(self.recognizer)

    def reference(self) -> Variant:
        recognizer = copy.deepcopy(self.recognizer)
        for layer in recognizer.backbone.layers:
            layer.mixer.scan_backend = 'reference'
        for module in recognizer.modules():
            if isinstance(module, RMSNorm):
                module.backend = 'reference'
        return in_torch(recognizer)

    def bf16(self) -> Variant:
        model = self.model()

        def run(frames: np.ndarray) -> List[np.ndarray]:
            with torch.autocast('cpu', torch.bfloat16):
                return model.run(frames)

        return model._replace(run=run)

    def int8_weights(self) -> Variant:
        return self._with_torchao('Int8WeightOnlyConfig')

    def int8_dynamic(self) -> Variant:
        return self._with_torchao('Int8DynamicActivationInt8WeightConfig')

    def _with_torchao(self, config: str) -> Variant:
        """The linear layers in 8 bits: in_proj, out_proj, the classifier."""
        if importlib.util.find_spec('torchao') is None:
            raise ValueError('takes torchao: pip install torchao')
        from torchao import quantization

        recognizer = copy.deepcopy(self.recognizer)
        quantization.quantize_(recognizer, getattr(quantization, config)())
        return in_torch(recognizer)

    def export(self) -> Variant:
        return self._file('export')

    def aoti(self) -> Variant:
        return self._file('aoti')

    def onnx(self) -> Variant:
        return self._file('onnx')

    def onnx_int8(self) -> Variant:
        path = self._write('onnx')
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            path,
            path,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=['MatMul', 'Gemm'],
        )
        return load('onnx', path)

    def _file(self, name: str) -> Variant:
        return load(name, self._write(name))

    def _write(self, name: str) -> Path:
        require_packages(name)
        path = self.folder / f'{name}{FORMATS[name].suffix}'
        FORMATS[name].write(self.program, str(path), OPSETS[0])
        return path


MAKERS: Dict[str, Callable[[Variants], Variant]] = {
    'model': Variants.model,
    'reference': Variants.reference,
    'export': Variants.export,
    'aoti': Variants.aoti,
    'onnx': Variants.onnx,
    'bf16': Variants.bf16,
    'int8-weights': Variants.int8_weights,
    'int8-dynamic': Variants.int8_dynamic,
    'onnx-int8': Variants.onnx_int8,
}


def in_torch(recognizer: DeployedRecognizer) -> Variant:
    file = io.BytesIO()
    torch.save(recognizer.state_dict(), file)
    return Variant(on_arrays(recognizer), file.tell())


def load(name: str, path: Path) -> Variant:
    return Variant(FORMATS[name].load(str(path)), path.stat().st_size)
