"""The files of an exported recognizer, each read and run again."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from small_models import small_recognizer
from torch._inductor import config as inductor_config

from mmvideomamba.deployment.formats import FORMATS, OPSETS, missing_packages
from mmvideomamba.deployment.recognizer import DeployedRecognizer, trace
from mmvideomamba.ops.cpu import binding
from mmvideomamba.registry import MODELS

pytestmark = pytest.mark.skipif(
    binding.kernel_library.why_not() is not None, reason='takes the kernels'
)
needs_onnx = pytest.mark.skipif(
    bool(missing_packages('onnx')), reason='takes onnx and onnxruntime'
)
# Halves the time of the compiler.
QUICK_TO_COMPILE = {
    'cpp.vec_isa_ok': True,
    'aot_inductor.compile_wrapper_opt_level': 'O0',
}


@pytest.fixture(scope='module')
def recognizer():
    """Its scores depend on the clip; returns features too."""
    torch.manual_seed(0)
    config = small_recognizer()
    config['data_preprocessor'].update(mean=[120.0] * 3, std=[60.0] * 3)
    model = MODELS.build(config)
    with torch.no_grad():
        model.cls_head.fc_cls.weight *= 50
    return DeployedRecognizer(model, with_features=True)


@pytest.fixture(scope='module')
def clips():
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(8, 4, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope='module')
def expected(recognizer, clips):
    with torch.no_grad():
        return [t.numpy() for t in recognizer(torch.from_numpy(clips))]


@pytest.fixture(scope='module')
def write(recognizer, tmp_path_factory, pytestconfig):
    """Write a file of a format, once; returns its path."""
    folder = tmp_path_factory.mktemp('formats')
    program = trace(recognizer, (4, 32, 32))

    def write(name, opset=OPSETS[0]):
        if name == 'aoti' and not pytestconfig.option.robustness:
            pytest.skip('compiles for half a minute: --robustness runs it')
        path = folder / f'{name}{opset}{FORMATS[name].suffix}'
        if not path.exists():
            with inductor_config.patch(QUICK_TO_COMPILE):
                FORMATS[name].write(program, str(path), opset)
        return str(path)

    return write


@pytest.mark.parametrize(
    'name, opset',
    [
        ('export', OPSETS[0]),
        ('aoti', OPSETS[0]),
        pytest.param('onnx', OPSETS[0], marks=needs_onnx),
        pytest.param('onnx', OPSETS[-1], marks=needs_onnx),
    ],
)
def test_any_batch_but_no_other_clips(name, opset, write, clips, expected):
    run = FORMATS[name].load(write(name, opset))
    assert np.ptp(expected[0], axis=0).max() > 0.01
    for batch in (1, 3, 8):
        actual = run(clips[:batch])
        assert len(actual) == 2
        for of_file, of_model in zip(actual, expected):
            np.testing.assert_allclose(
                of_file, of_model[:batch], 0, FORMATS[name].tolerance
            )
    for shape in ((1, 6, 32, 32, 3), (1, 4, 48, 48, 3)):
        with pytest.raises(Exception, match=r'(?i)32|\b4\b'):
            run(np.zeros(shape, np.uint8))


def test_programs_run_in_a_fresh_process(write, clips, expected, tmp_path):
    np.save(tmp_path / 'clips.npy', clips)
    code = """
import sys
import numpy as np, torch
import mmvideomamba.ops
exported, compiled = sys.argv[1:]
clips = torch.from_numpy(np.load('clips.npy'))
models = (
    torch.export.load(exported).module(),
    torch._inductor.aoti_load_package(compiled),
)
with torch.inference_mode():
    np.save('scores.npy', [model(clips)[0].numpy() for model in models])
"""
    paths = write('export'), write('aoti')
    command = sys.executable, '-c', code, *paths
    subprocess.run(command, check=True, cwd=tmp_path)
    for scores in np.load(tmp_path / 'scores.npy'):
        np.testing.assert_allclose(scores, expected[0], 0, 1e-5)
