"""Reading what the runner wrote into its work_dir.

mmengine makes a folder per start, named by the time: `vis_data/scalars.json`
in it holds one JSON object a line, of training steps and of validations; a
test leaves its metrics in `TIME/TIME.json`.
"""

import json
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple, Union

Record = Dict[str, float]


class TrainingLog(NamedTuple):
    """The course of a training.

    Attributes:
        train (list[dict]): Every logged step: `loss`, `lr`, `step` (counted
            over the whole training) and more; in a training by epochs
            `epoch` (from 1) and `epochs` (trained until then, a fraction).
        val (list[dict]): Every validation: the metrics, such as `acc/top1`,
            and `step`, the epochs trained; in a training by iterations the
            last step that was logged before, or its own.
    """

    train: List[Record]
    val: List[Record]


def read_training_log(work_dir: Union[str, Path]) -> TrainingLog:
    """Read all starts of a training, resumed ones as one course.

    What a later start repeated replaces what the earlier one logged.

    Raises:
        ValueError: No training was logged there.
    """
    starts = [
        _read_lines(path)
        for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json'))
    ]
    starts = [records for records in starts if any(map(_is_step, records))]
    if not starts:
        raise ValueError(
            f"no training log in {work_dir}; expected the runner's "
            'work_dir with TIME/vis_data/scalars.json in it'
        )
    by_epoch = all(map(_counts_epochs, starts))
    train: List[Record] = []
    val: List[Record] = []
    for records in starts:
        if by_epoch:
            steps, validations = _with_epochs(records)
            first = steps[0]['epoch']
            train = [r for r in train if r['epoch'] < first]
        else:
            steps, validations = _with_iterations(records)
            first = steps[0]['step']
            train = [r for r in train if r['step'] < first]
        train += steps
        val = [r for r in val if r['step'] < first] + validations
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


def _is_step(record: Record) -> bool:
    return 'loss' in record


def _is_validation(record: Record) -> bool:
    return not _is_step(record) and any('acc' in name for name in record)


def _counts_epochs(records: List[Record]) -> bool:
    """Whether steps have an epoch, and validations are numbered by it."""
    if not all('epoch' in r for r in records if _is_step(r)):
        return False
    last = max(r['epoch'] for r in records if _is_step(r))
    return all(1 <= r['step'] <= last for r in records if _is_validation(r))


def _with_epochs(records: List[Record]) -> Tuple[List[Record], List[Record]]:
    """Steps and validations of a start that counts epochs."""
    steps = list(filter(_is_step, records))
    # Steps of an epoch, from below: exact but for the last logging interval.
    epoch_length = max(r['step'] / r['epoch'] for r in steps)
    steps = [dict(r, epochs=r['step'] / epoch_length) for r in steps]
    return steps, list(filter(_is_validation, records))


def _with_iterations(
    records: List[Record],
) -> Tuple[List[Record], List[Record]]:
    """The same of a start that counts iterations.

    mmengine numbers its validations by epoch even so, unless told otherwise.
    """
    steps: List[Record] = []
    validations: List[Record] = []
    for record in records:
        if _is_step(record):
            steps.append({k: v for k, v in record.items() if k != 'epoch'})
        elif _is_validation(record):
            step = max(record['step'], steps[-1]['step'] if steps else 0)
            validations.append(dict(record, step=step))
    return steps, validations


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
