"""The scripts of tools/analysis_tools, run as a user runs them."""

import json
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config
from small_models import small_recognizer
from tool_runner import assert_refused, run_tool

from mmvideomamba.datasets.motion_shapes import make_clip
from mmvideomamba.video import write_video

MODEL = small_recognizer(num_classes=2, img_size=64, num_layers=2)
MODEL['data_preprocessor'].update(mean=[0.0] * 3, std=[255.0] * 3)
CONFIG = (
    f'model = {MODEL}\n'
    + """
test_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=4, frame_interval=1, num_clips=1),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='VideoDataset',
        ann_file='list.txt',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_evaluator = dict(type='AccMetric')
"""
)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG)
    return path


@pytest.fixture
def clip_arguments(config, tmp_path):
    """VIDEO CONFIG CHECKPOINT --out OUT"""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (12, 80, 96, 3), dtype=np.uint8)
    write_video(str(tmp_path / 'clip.mp4'), frames)
    torch.manual_seed(0)
    model = init_recognizer(config, device='cpu')
    torch.save(model.state_dict(), tmp_path / 'weights.pth')
    names = 'clip.mp4', 'config.py', 'weights.pth'
    return [*(tmp_path / name for name in names), '--out', tmp_path / 'out']


def test_draw_scan_orders(tmp_path, capsys):
    out = tmp_path / 'orders'
    arguments = 'ZigzagForward', '--grid', 1, 2, 2, '--cls-token', 'none'
    run_tool('analysis_tools/draw_scan_orders.py', *arguments, '--out', out)
    assert capsys.readouterr().out.split() == [f'{out}.pdf', f'{out}.png']
    assert (tmp_path / 'orders.pdf').exists()


def test_draw_scan_orders_names_what_there_is(capsys):
    assert_refused(
        capsys,
        "unknown scan order 'Hilbert', expected one of 'SpatialReversal'",
        'analysis_tools/draw_scan_orders.py',
        'Hilbert',
    )


def test_plot_training_curve(tmp_path):
    log = tmp_path / '1' / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 1.0, "step": 1, "epoch": 1}\n')
    run_tool('analysis_tools/plot_training_curve.py', tmp_path)
    assert (tmp_path / 'training_curve.pdf').exists()


def test_plot_training_curve_without_a_log(tmp_path, capsys):
    script = 'analysis_tools/plot_training_curve.py'
    assert_refused(capsys, 'no training log in', script, tmp_path)


def test_get_flops_as_a_table(config, capsys):
    run_tool('analysis_tools/get_flops.py', config)
    out = capsys.readouterr().out
    assert '1 x 1 x 3 x 4 x 64 x 64' in out
    assert 'backbone.layers.*.mixer ' in out
    assert 'leaves out the scan' in out


def test_get_flops_as_json_of_another_clip(config, capsys):
    shape = '--shape', 8, 32, 32
    run_tool('analysis_tools/get_flops.py', config, '--json', *shape)
    out = json.loads(capsys.readouterr().out)
    assert out['input_shape'] == [1, 1, 3, 8, 32, 32]
    modules = out['modules']
    assert out['complete_macs'] == sum(m['complete'] for m in modules)
    assert 0 < out['paper_macs'] < out['complete_macs']


def test_get_flops_measures_a_training_step(config, capsys):
    arguments = config, '--shape', 4, 32, 32, '--json', '--memory'
    memory = []
    for clips in (1, 3):
        run_tool('analysis_tools/get_flops.py', *arguments, clips)
        memory.append(json.loads(capsys.readouterr().out)['memory'])
    # Gradients and moments of the parameters, and what a clip needs.
    model = init_recognizer(config, device='cpu')
    parameters = sum(p.nbytes for p in model.parameters())
    assert 3 * parameters < memory[0] < memory[1] < 3 * memory[0]
    run_tool('analysis_tools/get_flops.py', config, '--memory', 1)
    assert '\nmemory      ' in capsys.readouterr().out


def test_get_flops_of_a_clip_below_one_tubelet(config, capsys):
    shape = '--shape', 1, 32, 32
    script = 'analysis_tools/get_flops.py'
    assert_refused(capsys, 'error: ', script, config, *shape)


def test_get_flops_without_a_config(capsys):
    script = 'analysis_tools/get_flops.py'
    assert_refused(capsys, 'no such file: none.py', script, 'none.py')


def test_draw_overview(clip_arguments, capsys):
    run_tool('analysis_tools/draw_overview.py', *clip_arguments)
    written = capsys.readouterr().out.splitlines()[-2:]
    out = clip_arguments[-1]
    assert written == [f'{out}.pdf', f'{out}.png']
    assert all(Path(path).stat().st_size for path in written)


@pytest.mark.parametrize('choice', [[], ['--blocks', -1, '--direction', 1]])
def test_vis_delta(clip_arguments, choice, capsys):
    run_tool('analysis_tools/vis_delta.py', *clip_arguments, *choice)
    written = capsys.readouterr().out.splitlines()[-3:]
    out = clip_arguments[-1]
    assert written == [f'{out}.pdf', f'{out}.png', f'{out}.mp4']
    assert all(Path(path).stat().st_size for path in written)


@pytest.mark.parametrize(
    'choice, message',
    [
        (['--blocks', 2], 'there is no block 2'),
        (['--direction', 2], 'has 2 directions'),
        (['--view', 5], 'there is no view 5'),
    ],
)
def test_vis_delta_of_what_is_not_there(
    clip_arguments, choice, message, capsys
):
    script = 'analysis_tools/vis_delta.py'
    assert_refused(capsys, message, script, *clip_arguments, *choice)


def test_vis_delta_of_a_broken_video(clip_arguments, capsys):
    video = clip_arguments[0]
    video.write_bytes(b'not a video')
    script = 'analysis_tools/vis_delta.py'
    assert_refused(capsys, f'error: {video}: ', script, *clip_arguments)


def test_vis_effective_context(clip_arguments, capsys):
    run_tool('analysis_tools/vis_effective_context.py', *clip_arguments)
    out = capsys.readouterr().out
    assert '90% of the influence: ' in out
    for suffix in ('pdf', 'png', 'mp4'):
        assert Path(f'{clip_arguments[-1]}.{suffix}').exists()


def test_vis_grad_cam(clip_arguments, capsys):
    script = 'analysis_tools/vis_grad_cam.py'
    run_tool(script, *clip_arguments, '--label', 1)
    out = clip_arguments[-1]
    written = capsys.readouterr().out.splitlines()[-3:]
    assert written == [f'{out}.pdf', f'{out}.png', f'{out}.mp4']
    assert all(Path(path).stat().st_size for path in written)
    message = 'error: expected a class from 0 to 1, got 2'
    assert_refused(capsys, message, script, *clip_arguments, '--label', 2)


def test_temporal_consistency(clip_arguments, tmp_path, capsys):
    video, config, checkpoint, *_ = clip_arguments
    (tmp_path / 'list.txt').write_text(f'{video} 0\n{video} 1\n')
    ann_file = f'test_dataloader.dataset.ann_file={tmp_path}/list.txt'
    arguments = '--out', tmp_path / 'order', '--cfg-options', ann_file
    script = 'analysis_tools/temporal_consistency.py'
    run_tool(script, config, checkpoint, *arguments)
    assert '| interleaved |' in capsys.readouterr().out
    results = json.loads((tmp_path / 'order.json').read_text())['results']
    orders = ['sequential', 'block-wise', 'pairwise', 'interleaved']
    assert list(results) == orders
    assert {r['acc/top1'] for r in results.values()} == {0.5}
    assert (tmp_path / 'order.pdf').exists()


def test_temporal_consistency_without_videos(clip_arguments, capsys):
    script = 'analysis_tools/temporal_consistency.py'
    assert_refused(capsys, 'list.txt', script, *clip_arguments[1:3])


def test_paper_tables_takes_results_from_logs_alone(tmp_path, capsys):
    name = 'videomamba-small-p16_in1k-pre_8xb8-u16-35e_sthv2-rgb'
    log = tmp_path / name / '1' / '1.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"acc/top1": 0.6312, "acc/top5": 0.871}')
    run_tool('analysis_tools/paper_tables.py', tmp_path, '--tables', 8)
    out = capsys.readouterr().out
    rows = [line.split('|')[1:-1] for line in out.splitlines() if '|' in line]
    ours = [[c.strip() for c in row] for row in rows if 'VideoMamba' in row[0]]
    assert ours[0][-4:] == ['63.7', '63.1', '87.8', '87.1']
    assert ours[1][-4:] == ['64.2', '-', '88.0', '-']
    assert '1 of 2 configs tested here' in out


def test_paper_tables_takes_the_mean_over_splits_of_hmdb51(tmp_path, capsys):
    name = 'videomamba-small-p16_k400-pre_8xb8-16x2x1-50e_hmdb51-rgb'
    for split, accuracy in ((1, 0.68), (3, 0.70)):
        log = tmp_path / name / f'split{split}' / '1' / '1.json'
        log.parent.mkdir(parents=True)
        log.write_text(json.dumps({'acc/top1': accuracy}))
    changed = f'{name}_regularization-random-aug'
    log = tmp_path / changed / 'split1' / '1' / '1.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"acc/top1": 0.5}')
    run_tool(
        'analysis_tools/paper_tables.py', tmp_path, '--tables', 4, '--commands'
    )
    out = capsys.readouterr().out
    assert '| + random aug.     |           67.6 |     50.0 |' in out
    assert '| + label smoothing |           68.6 |     69.0 |' in out
    assert f'\n{name}: split1, split3\n' in out
    assert '2 of 4 configs tested here' in out
    # What is missing: this recipe, and the other, changed.
    other = name.replace('k400', 'in1k')
    dump = 'python tools/analysis_tools/ablation.py regularization --config '
    train = 'bash tools/dist_train.sh work_dirs/configs/'
    lines = out.splitlines()
    for recipe in (name, other):
        config = f'configs/recognition/videomamba/{recipe}.py'
        assert f'{dump}{config} --dump work_dirs/configs' in lines
        assert f'{train}{recipe}_regularization-neither.py 8' in lines


def test_paper_tables_without_a_folder(capsys):
    assert_refused(
        capsys, 'no folder', 'analysis_tools/paper_tables.py', 'none'
    )


class FakeTraining:
    """Stands for tools/train.py: logs an accuracy that the seed decides."""

    def __init__(self, fail_at=None):
        self.runs = 0
        self.fail_at = fail_at

    def __call__(self, command, stdout, stderr):
        if self.runs == self.fail_at:
            return 1
        self.runs += 1
        options = dict(zip(command[2:], command[3:]))
        # The runner dumps the config once more, with its own settings.
        with open(command[2], 'a') as file:
            file.write("launcher = 'none'\n")
        accuracy = 0.5 + int(options['--seed']) / 10
        log = Path(options['--work-dir']) / str(self.runs) / 'vis_data'
        log.mkdir(parents=True)
        records = [
            dict(loss=1.0, step=4, epoch=2),
            {'acc/top1': accuracy, 'step': 2},
        ]
        lines = [json.dumps(record) + '\n' for record in records]
        (log / 'scalars.json').write_text(''.join(lines))
        return 0


def test_ablation_goes_on_where_it_was_cut_off(config, tmp_path, capsys):
    config.write_text(f'{CONFIG}\ntrain_cfg = dict(max_epochs=2)\n')
    script = 'analysis_tools/ablation.py', 'width', '--config', config
    script = *script, '--work-dir', tmp_path / 'runs', '--seeds', 0, 1, 2
    with mock.patch('subprocess.call', FakeTraining(fail_at=4)):
        assert_refused(capsys, 'ended with 1', *script)
    training = FakeTraining()
    with mock.patch('subprocess.call', training):
        run_tool(*script)
    assert training.runs == 2
    out = capsys.readouterr().out
    assert '[4/6] full width, seed 0: 50.0%, as logged' in out
    assert '| half width |  60.0 | 10.0 |     3 |       0 |' in out
    assert '| 384 |   34.2 |' in out
    results = json.loads((tmp_path / 'runs/width/results.json').read_text())
    assert results['accuracies']['full width'] == [0.5, 0.6, 0.7]
    changed = tmp_path / 'runs/width/half_width/seed_0/changed_config.py'
    assert 'embed_dims=8' in changed.read_text()
    assert (tmp_path / 'runs/width/accuracy.pdf').exists()


def test_ablation_keeps_runs_of_two_configs_apart(config, tmp_path, capsys):
    config.write_text(f'{CONFIG}\ntrain_cfg = dict(max_epochs=2)\n')
    script = 'analysis_tools/ablation.py', 'width', '--config', config
    script = *script, '--work-dir', tmp_path / 'runs', '--seeds', 0
    other = *script, '--cfg-options', 'test_dataloader.batch_size=2'
    training = FakeTraining()
    with mock.patch('subprocess.call', training):
        run_tool(*script)
        message = f'{tmp_path}/runs/width/half_width/seed_0 holds a run of'
        assert_refused(capsys, message, *other)
        shutil.rmtree(tmp_path / 'runs/width/half_width')
        message = f'{tmp_path}/runs/unchanged/seed_0 holds a run of'
        assert_refused(capsys, message, *other)
        run_tool(*script)
    assert training.runs == 3


def test_ablation_writes_configs_for_distributed_training(tmp_path, capsys):
    stem = 'videomamba-small-p16_in1k-pre_8xb8-16x2x1-50e_hmdb51-rgb'
    config = f'configs/recognition/videomamba/{stem}.py'
    root = Path(__file__).parents[2]
    script = 'analysis_tools/ablation.py', 'positions', '--config'
    script = *script, root / config, '--dump', tmp_path / 'rows'
    run_tool(*script)
    run_tool(*script)  # The same again.
    out = capsys.readouterr().out
    assert f'learned, expanding: {root / config}\n' in out
    written = {path.stem for path in (tmp_path / 'rows').iterdir()}
    assert len(written) == 5
    name = f'{stem}_positions-learned-interpolate-s'
    row = Config.fromfile(tmp_path / 'rows' / f'{name}.py')
    assert row.model.backbone.pos_embed_init == 'interpolate_spatial'
    # tools/train.py takes the folder where paper_tables.py looks for it.
    assert row.work_dir == f'work_dirs/{name}/split1'
    base = Config.fromfile(root / config)
    base.model.backbone.pos_embed_init = 'interpolate_spatial'
    base.work_dir = row.work_dir
    assert row.to_dict() == base.to_dict()
    # Another split has other configs.
    with mock.patch.dict('os.environ', HMDB51_SPLIT='2'):
        assert_refused(capsys, 'is of another config', *script)


def test_ablation_leaves_out_rows_that_do_not_fit(tmp_path, capsys):
    script = 'analysis_tools/ablation.py', 'positions', '--dump', tmp_path
    nano = Path(__file__).parents[2] / 'configs/recognition/videomamba'
    nano = nano / 'videomamba-nano-p16_1xb32-8x4x1-10e_motionshapes-rgb.py'
    run_tool(*script, '--config', nano)
    lines = capsys.readouterr().out.splitlines()
    assert (
        sum('left out, it starts from the positions' in s for s in lines) == 3
    )
    assert len(list(tmp_path.iterdir())) == 2


def test_ablation_without_its_config(capsys):
    script = 'analysis_tools/ablation.py', 'width', '--config', 'none.py'
    assert_refused(capsys, 'no such file: none.py', *script)


def delta_contrast(clip_arguments, videos):
    """Run the tool on clips and return what it writes."""
    _, config, checkpoint, *_ = clip_arguments
    folder = config.parent
    lines = []
    for number, frames in enumerate(videos):
        write_video(str(folder / f'{number}.mp4'), frames)
        lines.append(f'{folder}/{number}.mp4 0\n')
    (folder / 'list.txt').write_text(''.join(lines))
    ann_file = f'test_dataloader.dataset.ann_file={folder}/list.txt'
    out = '--out', folder / 'contrast', '--cfg-options', ann_file
    run_tool('analysis_tools/delta_contrast.py', config, checkpoint, *out)
    assert (folder / 'contrast.pdf').exists()
    return json.loads((folder / 'contrast.json').read_text())


def test_delta_contrast_tells_motion_from_brightness(clip_arguments, capsys):
    moving = [
        make_clip(label, np.random.default_rng(label), 4, 64)
        for label in range(3)
    ]
    still = [np.repeat(clip[2:3], 4, axis=0) for clip in moving]
    of_moving = delta_contrast(clip_arguments, moving)
    of_still = delta_contrast(clip_arguments, still)
    assert '| block | direction |' in capsys.readouterr().out
    assert of_moving['videos'] == 3
    assert np.shape(of_moving['untrained']['moving']['error']) == (2, 2)

    def mean(record, quantity):
        return np.array(record['trained'][quantity]['mean'])

    assert np.abs(mean(of_moving, 'difference')).max() > 1e-3
    assert np.abs(mean(of_still, 'difference')).max() < 1e-6
    # The same pictures, but for what H.264 makes of them.
    rest, still = mean(of_moving, 'at rest'), mean(of_still, 'moving')
    np.testing.assert_allclose(rest, still, atol=3e-3)
