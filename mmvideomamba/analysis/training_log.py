"""Reading what the runner wrote into its work_dir.

mmengine makes a folder per start, named by the time: `vis_data/scalars.json`
in it holds one JSON object a line, of training steps and of validations; a
test leaves its metrics in `TIME/TIME.json`.
"""

import json
import math
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
    trained = [records for records in starts if any(map(_is_step, records))]
    if not trained:
        raise ValueError(
            f"no training log in {work_dir}; expected the runner's "
            'work_dir with TIME/vis_data/scalars.json in it'
        )
    by_epoch = all(map(_counts_epochs, trained))
    lengths = [_epoch_length(records) for records in trained if by_epoch]
    train: List[Record] = []
    val: List[Record] = []
    for records in starts:
        steps = list(filter(_is_step, records))
        place = val_place = 'step'
        if by_epoch:
            steps = _with_epochs(steps, lengths)
            place, val_place = 'epochs', 'epoch'
        if steps:
            train = [r for r in train if r[place] < steps[0][place]]
        if by_epoch:
            validations = list(filter(_is_validation, records))
        else:
            validations = _with_steps(records, train[-1:])
            # mmengine counts 1 all the way.
            steps = [{k: r[k] for k in r if k != 'epoch'} for r in steps]
        train += steps
        first = min(
            [r[val_place] for r in steps[:1]]
            + [r['step'] for r in validations[:1]],
            default=math.inf,
        )
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


def _epoch_length(records: List[Record]) -> Tuple[float, float]:
    """The least and the most iterations that an epoch of a start can have."""
    steps = list(filter(_is_step, records))
    # The least is exact but for the last logging interval of an epoch.
    least = max(r['step'] / r['epoch'] for r in steps)
    most = min(
        ((r['step'] - 1) / (r['epoch'] - 1) for r in steps if r['epoch'] > 1),
        default=math.inf,
    )
    return least, most


def _with_epochs(
    steps: List[Record], lengths: List[Tuple[float, float]]
) -> List[Record]:
    """The steps of a start, with the epochs that were trained until then.

    Args:
        steps (list[dict]): Those of the start.
        lengths (list[tuple[float, float]]): `_epoch_length` of all starts:
            one that was interrupted in its first epoch cannot tell.
    """
    if not steps:
        return []
    least, most = _epoch_length(steps)
    length = max(other for other, _ in lengths if other <= max(least, most))
    return [dict(r, epochs=r['step'] / length) for r in steps]


def _with_steps(records: List[Record], before: List[Record]) -> List[Record]:
    """The validations of a start that counts iterations, with their step.

    mmengine numbers them by epoch even so, unless told otherwise.

    Args:
        records (list[dict]): Of the start.
        before (list[dict]): The last step before it, if there is one.
    """
    validations: List[Record] = []
    last = 0.0
    for record in before + records:
        if _is_step(record):
            last = record['step']
        elif _is_validation(record):
            step = max(record['step'], last)
            validations.append(dict(record, step=step))
    return validations


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
