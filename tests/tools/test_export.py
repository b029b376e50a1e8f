"""tools/deployment: a model written, read elsewhere, compared."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from nano_recognizer import CONFIG, write_clips_and_weights
from tool_runner import TOOLS, assert_refused, run_tool

from mmvideomamba.apis import init_model, read_clip, recognize
from mmvideomamba.datasets.motion_shapes import CLASSES
from mmvideomamba.deployment.description import describe
from mmvideomamba.deployment.formats import FORMATS, missing_packages
from mmvideomamba.deployment.recognizer import DeployedRecognizer
from mmvideomamba.ops.cpu import binding
from mmvideomamba.registry import TRANSFORMS

needs_onnx = pytest.mark.skipif(
    bool(missing_packages('onnx')), reason='takes onnx and onnxruntime'
)
pytestmark = pytest.mark.skipif(
    binding.kernel_library.why_not() is not None, reason='takes the kernels'
)
SCRIPT = 'deployment/export.py'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Clips, and weights whose scores depend on the clip."""
    folder = tmp_path_factory.mktemp('export')
    write_clips_and_weights(folder, 8)
    checkpoint = torch.load(folder / 'model.pth')
    checkpoint['state_dict']['cls_head.fc_cls.weight'] *= 50
    torch.save(checkpoint, folder / 'model.pth')
    return folder


@pytest.fixture
def arguments(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return [CONFIG, 'model.pth', '--format']


@pytest.fixture(scope='module')
def model(folder):
    return init_model(str(CONFIG), str(folder / 'model.pth'), 'cpu')


@pytest.fixture(scope='module')
def videos(folder):
    return sorted((folder / 'videos').rglob('*.mp4'))


@pytest.fixture(scope='module')
def onnx_model(folder):
    """The path of the model in ONNX."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        arguments = CONFIG, 'model.pth', '--format', 'onnx'
        run_tool(SCRIPT, *arguments, '--out', 'model.onnx', '--features')
    return folder / 'model.onnx'


@needs_onnx
def test_onnx_gives_the_scores_and_features_of_any_batch(
    onnx_model, model, videos
):
    run = FORMATS['onnx'].load(str(onnx_model))
    clips = [read_clip(model, str(video)) for video in videos[:3]]
    for some in (clips[:1], clips):
        scores, features = run(np.stack([clip.frames for clip in some]))
        with torch.no_grad():
            inputs = torch.cat([clip.inputs for clip in some])
            expected = model.backbone(inputs)
            logits = model.cls_head(expected)
        close = dict(rtol=0, atol=1e-5)
        np.testing.assert_allclose(scores, logits.softmax(1), **close)
        np.testing.assert_allclose(features, expected, rtol=0, atol=1e-4)


@needs_onnx
def test_a_video_without_torch(onnx_model, model, videos, recognize_onnx):
    """The model's scores of the frames, which are nearly the pipeline's."""
    code = f"""
import json, sys
for name in ('torch', 'mmaction', 'mmcv', 'mmengine', 'cv2', 'decord'):
    sys.modules[name] = None
sys.path.insert(0, {str(TOOLS / 'deployment')!r})
from recognize_onnx import read_clips, score
path = {str(onnx_model)!r}
about = json.load(open(path[:-5] + '.json'))
clips = [read_clips(video, about) for video in sys.argv[1:]]
print(json.dumps([score(path, clip).tolist() for clip in clips]))
"""
    done = subprocess.run(
        [sys.executable, '-c', code, *map(str, videos)],
        stdout=subprocess.PIPE,
        check=True,
    )
    description = describe(Config.fromfile(CONFIG))
    for video, scores in zip(map(str, videos), json.loads(done.stdout)):
        clips = recognize_onnx.read_clips(video, description)
        views = range(len(clips))
        expected = [read_clip(model, video, view).frames for view in views]
        difference = np.abs(clips.astype(int) - np.stack(expected))
        assert difference.max() <= 1
        with torch.no_grad():
            (expected,) = DeployedRecognizer(model)(torch.from_numpy(clips))
        np.testing.assert_allclose(scores, expected.mean(0), 0, 1e-4)
        assert CLASSES[np.argmax(scores)] == recognize(model, video)[0].name


@needs_onnx
def test_recognize_onnx_prints_the_best_classes(onnx_model, videos, capsys):
    script = 'deployment/recognize_onnx.py'
    run_tool(script, onnx_model, videos[0])
    lines = capsys.readouterr().out.splitlines()
    shares = [float(line.split('%')[0]) for line in lines]
    assert shares == sorted(shares, reverse=True) and len(shares) == 5
    assert {line.split()[1] for line in lines} < set(CLASSES)
    other = onnx_model.with_name('other.onnx')
    other.write_bytes(onnx_model.read_bytes())
    about = json.loads(onnx_model.with_suffix('.json').read_text())
    about['frames'] = 4
    other.with_suffix('.json').write_text(json.dumps(about))
    message = 'takes clips of [8, 64, 64, 3], got [4, 64, 64, 3]'
    assert_refused(capsys, message, script, other, videos[0])
    for name in ('model.pth', 'nowhere.mp4'):
        video = onnx_model.with_name(name)
        assert_refused(capsys, f'{name}', script, onnx_model, video)
    assert_refused(capsys, 'nowhere.json', script, 'nowhere.onnx', videos[0])


def test_an_export_tells_how_it_compares_and_what_clips_it_takes(
    arguments, folder, videos, capsys
):
    options = '--out', 'model.pt2', '--views', '1', '--video', str(videos[0])
    run_tool(SCRIPT, *arguments, 'export', *options)
    about = json.loads((folder / 'model.json').read_text())
    expected = describe(Config.fromfile(CONFIG), 1)
    assert about == dict(expected, config=CONFIG.stem)
    lines = capsys.readouterr().out.splitlines()
    (row,) = (line for line in lines if line.startswith('| file '))
    cells = [cell.strip() for cell in row.split('|')[2:-1]]
    assert float(cells[1]) <= 1e-5 and cells[2] == '1 of 1'
    assert float(cells[3]) > 0 and float(cells[4]) > 0


@needs_onnx
def test_variants_on_a_test_set(arguments, folder, capsys):
    dataset = 'test_dataloader.dataset'
    names = ('model', 'reference', 'bf16', 'onnx-int8', 'int8-weights')
    run_tool(
        'deployment/benchmark_exports.py',
        *(*arguments[:2], '--variants', *names, '--batch-sizes', 2),
        *('--rounds', 1, '--test-set', '--json', 'exports.json'),
        *('--cfg-options', f'{dataset}.data_root=.'),
        f'{dataset}.ann_file=train_list.txt',
    )
    rows = json.loads((folder / 'exports.json').read_text())['results']
    by_name = {row['name']: row for row in rows if not row['error']}
    assert [row['name'] for row in rows] == list(names)
    assert by_name['model']['difference'] == 0 == 1 - by_name['model']['same']
    assert by_name['reference']['difference'] < 1e-5
    assert 1e-5 < by_name['bf16']['difference'] < 0.2
    assert by_name['onnx-int8']['bytes'] < by_name['model']['bytes']
    assert all(0 <= row['accuracy'] <= 1 for row in by_name.values())
    said = capsys.readouterr().out
    assert '| onnx-int8 ' in said
    without = importlib.util.find_spec('torchao') is None
    assert ('int8-weights could not run: takes torchao' in said) == without


def test_a_file_that_fails_its_comparison_is_not_left(
    arguments, folder, capsys, monkeypatch
):
    strict = FORMATS['export']._replace(tolerance=-1.0)
    monkeypatch.setitem(FORMATS, 'export', strict)
    before = set(folder.iterdir())
    out = '--out', 'failed.pt2'
    message = 'the scores differ from those of the model by up to'
    assert_refused(capsys, message, SCRIPT, *arguments, 'export', *out)
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize(
    'options, message',
    [
        (['onnx', '--out', 'a.pt2'], 'expected a name that ends in .onnx'),
        (['aoti', '--out', 'a.onnx'], 'expected a name that ends in .pt2'),
        pytest.param(
            ['onnx', '--out', 'a.onnx', '--opset', '17'],
            'expected an ONNX opset from 18 to 25, got 17',
            marks=needs_onnx,
        ),
        (
            ['export', '--cfg-options', 'model.cls_head=None'],
            'expected a config whose model has a cls_head',
        ),
        (
            ['export', '--cfg-options', 'model.backbone.num_frames=16'],
            'make num_frames and img_size of the backbone and the test',
        ),
        (
            ['export', '--cfg-options', 'model.cls_head.average_clips=None'],
            "with average_clips='prob' or 'score'",
        ),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments, folder, capsys, options, message
):
    before = set(folder.iterdir())
    out = [] if '--out' in options else ['--out', 'a.pt2']
    assert_refused(capsys, message, SCRIPT, *arguments, *options, *out)
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize(
    'sampler',
    [
        dict(type='SampleFrames', clip_len=8, frame_interval=4, num_clips=n)
        for n in (1, 4)
    ]
    + [
        dict(type='UniformSample', clip_len=8, num_clips=4),
        dict(type='SegmentSample', clip_len=8, num_clips=2),
    ],
    ids=lambda sampler: f'{sampler["type"]}-{sampler["num_clips"]}',
)
def test_the_frames_are_those_of_the_pipeline(sampler, recognize_onnx):
    if sampler['type'] != 'SegmentSample':
        sampler = dict(sampler, test_mode=True)
    config = Config.fromfile(CONFIG)
    config.test_dataloader.dataset.pipeline[1] = sampler
    description = describe(config)
    transform = TRANSFORMS.build(sampler)
    for count in (1, 7, 31, 32, 50, 331):
        video = dict(total_frames=count, start_index=0)
        expected = transform.transform(video)['frame_inds']
        numbers = recognize_onnx.frame_numbers(description, count)
        assert numbers.ravel().tolist() == expected.tolist()


@pytest.fixture(scope='module')
def recognize_onnx():
    """The script as a module."""
    pytest.importorskip('onnxruntime')
    path = TOOLS / 'deployment' / 'recognize_onnx.py'
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_description_tells_how_clips_are_made():
    config = Config.fromfile(CONFIG)
    expected = dict(
        classes=list(CLASSES),
        multi_class=False,
        scores='prob',
        sampling='SampleFrames',
        frames=8,
        interval=4,
        clips=2,
        resize=72,
        crop=64,
    )
    assert describe(config, 2) == expected
    pipeline = config.test_dataloader.dataset.pipeline
    pipeline[2:3] = [dict(type='DecordDecode'), dict(type='Resize')]
    pipeline[3] = dict(type='Resize', scale=(64, 80), keep_ratio=False)
    assert describe(config)['resize'] == [64, 80]
    pipeline[3] = dict(type='Resize', scale=(64, 80))
    with pytest.raises(ValueError, match=r'scale=\(-1, SIDE\)'):
        describe(config)
    pipeline[3:5] = [dict(type='LongSideThreeCrop', size=64)]
    assert describe(config)['resize'] == 64
    pipeline[1] = dict(type='DenseSampleFrames', clip_len=8)
    with pytest.raises(ValueError, match='expected one of SampleFrames'):
        describe(config)
