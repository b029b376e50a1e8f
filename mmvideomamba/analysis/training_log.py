"""Reading what the runner wrote into its work_dir.

mmengine makes a folder per start, named by the time: `vis_data/scalars.json`
in it holds one JSON object a line, of training steps and of validations; a
test leaves its metrics in `TIME/TIME.json`.
"""

import json
from pathlib import Path
from typing import Dict, List, NamedTuple, Union

Record = Dict[str, float]


class TrainingLog(NamedTuple):
    """The course of a training.

    Attributes:
        train (list[dict]): Every logged step: `loss`, `lr`, `step` (counted
            over the whole training), `epoch` (from 1) and more.
        val (list[dict]): Every validation: `step` (epochs trained) and the
            metrics, such as `acc/top1`.
    """

    train: List[Record]
    val: List[Record]


def read_training_log(work_dir: Union[str, Path]) -> TrainingLog:
    """Read all starts of a training, resumed ones as one course.

    What a later start repeated replaces what the earlier one logged.

    Raises:
        ValueError: No training was logged there.
    """
    train: List[Record] = []
    val: List[Record] = []
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        records = _read_lines(path)
        steps = [record for record in records if 'loss' in record]
        if not steps:
            continue
        others = [record for record in records if 'loss' not in record]
        epochs = [r for r in others if any('acc' in name for name in r)]
        first_step, first_epoch = steps[0]['step'], steps[0]['epoch']
        train = [r for r in train if r['step'] < first_step] + steps
        val = [r for r in val if r['step'] < first_epoch] + epochs
    if not train:
        raise ValueError(
            f"no training log in {work_dir}; expected the runner's "
            'work_dir with TIME/vis_data/scalars.json in it'
        )
    return TrainingLog(train, val)


def read_test_metrics(work_dir: Union[str, Path]) -> Record:
    """Read the metrics of the last test run into this work_dir.

    Raises:
        FileNotFoundError: No test was run into it.
    """
    results = sorted(
        path
        for path in Path(work_dir).glob('*/*.json')
        if path.stem == path.parent.name
    )
    if not results:
        raise FileNotFoundError(
            f'no test results in {work_dir}; expected TIME/TIME.json, which '
            'tools/test.py writes'
        )
    return json.loads(results[-1].read_text())


def _read_lines(path: Path) -> List[Record]:
    lines = path.read_text().splitlines()
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            # A killed run may leave half a line at the end.
            if number < len(lines):
                raise ValueError(f'{path}:{number}: {error}') from error
    return records
