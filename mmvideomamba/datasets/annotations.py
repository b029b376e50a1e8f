"""List files, as mmaction2 reads them: one video and its label a line.

    brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi 0

They are text in UTF-8, whatever the locale, with or without a byte order mark
and with line ends of any system. Labels count from 0, or are names where the
names of the classes are known. Where videos may have several, with
`multi_class`, a line has any number of them; a list to predict has none. A
video may be listed again, with the same labels.
"""

import os
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ..files import write_text
from ..text import printable
from ..video_files import find_video_file

# What blanks may stand before and after a line; more might belong to a name.
BLANKS = ' \t'
# Digits of the largest label; nobody has so many classes.
MAX_DIGITS = 9


class Annotation(NamedTuple):
    """One line of a list file.

    Attributes:
        video (str): Path of the video within the folder of the data set.
        labels (tuple[int, ...]): Its classes.
    """

    video: str
    labels: Tuple[int, ...]


def read_annotations(
    path: str,
    delimiter: str = ' ',
    multi_class: bool = False,
    needs_labels: bool = True,
    classes: Optional[Sequence[str]] = None,
) -> List[Annotation]:
    """Read a list file.

    Args:
        path (str): The file.
        delimiter (str): What stands between video and label.
        multi_class (bool): Whether a video may have several labels, or none.
        needs_labels (bool): Whether a video without any is an error; with
            `multi_class`, a list without any.
        classes (Sequence[str], optional): Names of the classes, which may
            stand for their numbers.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is empty or not UTF-8, a line does not parse, or two
            give one video different labels.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'no list file {path}. A list file names one video and its label '
            'a line; docs/data.md says how to make one'
        )
    numbers = {name: number for number, name in enumerate(classes or ())}
    lines = read_lines(path)
    annotations = []
    for number, line in enumerate(lines, 1):
        video, *labels = line.strip(BLANKS).split(delimiter)
        if numbers and not all(map(_is_number, labels)):
            labels = _number_names(line, delimiter, numbers)
        number_fits = (
            multi_class
            or len(labels) == 1
            or (not labels and not needs_labels)
        )
        if not (video and number_fits and all(map(_is_number, labels))):
            raise ValueError(
                f'{path}, line {number}: expected '
                f"'VIDEO{delimiter}LABEL', got {line!r}. "
                f'{_advise(lines, number, delimiter, numbers)}'
            )
        annotations.append(Annotation(video, tuple(map(int, labels))))
    if not annotations:
        raise ValueError(f'the list file {path} is empty')
    if needs_labels and not any(labels for _, labels in annotations):
        raise ValueError(
            f"{path}, line 1: expected 'VIDEO{delimiter}LABEL', got "
            f'{annotations[0].video!r}, and no line of the list has a label. '
            'Is the delimiter another?'
        )
    _refuse_two_answers(annotations, path)
    return annotations


def _is_number(label: str) -> bool:
    return label.isdecimal() and len(label) <= MAX_DIGITS


def _refuse_two_answers(annotations: List[Annotation], path: str) -> None:
    """Raise a ValueError if one video has different labels in two lines."""
    first: Dict[str, int] = {}
    for index, (video, labels) in enumerate(annotations):
        other = first.setdefault(os.path.normpath(video), index)
        if set(annotations[other].labels) != set(labels):
            answers = (
                ' '.join(map(str, these)) or 'none'
                for these in (annotations[other].labels, labels)
            )
            raise ValueError(
                f'{path}, lines {other + 1} and {index + 1}: expected one '
                f'answer for {printable(video)}, got the labels '
                f'{" and ".join(answers)}. Keep the line that is right; where '
                'videos may have several labels (multi_class=True), one line '
                'has them all'
            )


def _number_names(
    line: str, delimiter: str, numbers: Dict[str, int]
) -> List[str]:
    """The labels of a line, digits in place of the names that are known."""
    _, _, rest = line.strip(BLANKS).partition(delimiter)
    # The name of a class may hold the delimiter.
    names = [rest] if rest in numbers else rest.split(delimiter)
    labels = [numbers.get(name, name) for name in names]
    return list(map(str, labels))


def _advise(
    lines: List[str], number: int, delimiter: str, numbers: Dict[str, int]
) -> str:
    """What to do about a line that does not parse."""
    line = lines[number - 1].strip(BLANKS)
    _, _, label = line.rpartition(delimiter)
    if not line:
        return 'Remove the empty line'
    if delimiter not in line:
        for other in (',', ';', '\t', ' '):
            if other in line:
                return (
                    f'The line has no {delimiter!r}, but {other!r}: give it '
                    f'to the dataset as delimiter={other!r}'
                )
        return (
            'The video has no label; if videos may have none, set '
            'multi_class=True of dataset and head'
        )
    # The first line has no number, but the second does.
    second = lines[1].strip(BLANKS) if lines[1:] else ''
    second = second.rpartition(delimiter)[2]
    if number == 1 and not label.isdecimal() and second.isdecimal():
        return 'It looks like the header of a table: remove the line'
    if label.isdecimal() and len(label) > MAX_DIGITS:
        return f'Labels have {MAX_DIGITS} digits at most'
    if label.isdecimal():
        return (
            'If names hold spaces, use another delimiter in the list and '
            'give it to the dataset as delimiter; if videos may have several '
            'labels, or none, set multi_class=True of dataset and head'
        )
    if label.lstrip('+-').isdecimal():
        return 'Labels count from 0'
    if numbers:
        return (
            f'{label!r} is none of the {len(numbers)} names of classes that '
            f'the dataset knows, such as {next(iter(numbers))!r}'
        )
    return (
        f'{label!r} is no number. Number the classes from 0, or give their '
        "names to the dataset as metainfo=dict(classes=['NAME', ...])"
    )


def write_annotations(
    path: str, annotations: Iterable[Annotation], delimiter: str = ' '
) -> None:
    """Write a list file; it appears under its name when it is complete.

    Raises:
        ValueError: The name of a video could not be read back: it holds the
            delimiter or a line end, ends with a blank, or is no UTF-8.
    """
    write_text(path, format_annotations(annotations, delimiter))


def format_annotations(
    annotations: Iterable[Annotation], delimiter: str = ' '
) -> str:
    """The text of a list file, see `write_annotations`."""
    lines = []
    for video, labels in annotations:
        if delimiter in video:
            raise ValueError(
                f'the file name {video!r} holds the delimiter {delimiter!r}; '
                "give another one, such as --delimiter ';', and set "
                'delimiter of the datasets in the config to the same'
            )
        if not _can_be_read_back(video):
            raise ValueError(
                f'the file name {video!r} fits no list: rename the file to '
                'one that is UTF-8, without line ends, and without blanks '
                'at its ends'
            )
        lines.append(delimiter.join([video, *map(str, labels)]) + '\n')
    return ''.join(lines)


def _can_be_read_back(video: str) -> bool:
    try:
        video.encode()
    except UnicodeEncodeError:
        return False
    has_line_end = any(char in video for char in '\r\n\0')
    return not has_line_end and video == video.strip(BLANKS)


def check_labels(
    annotations: Iterable[Annotation],
    num_classes: int,
    path: Optional[str],
    setting: str = 'num_classes',
) -> None:
    """Refuse a label that there is no class for.

    Args:
        annotations (Iterable[Annotation]): What a data set holds.
        num_classes (int): Number of the classes.
        path (str, optional): The list file, for the message.
        setting (str): What sets `num_classes`, for the message.

    Raises:
        ValueError: A label is `num_classes` or more.
    """
    for video, labels in annotations:
        label = max(labels, default=-1)
        if label >= num_classes:
            raise ValueError(
                f'{path} has label {label} for {printable(video)}, but '
                f'{setting}='
                f'{num_classes} allows 0 to {num_classes - 1}. Correct the '
                f'list, or set {setting}'
            )


def check_videos(
    paths: Sequence[str], ann_file: Optional[str], on_disk: bool = False
) -> None:
    """Refuse videos that do not exist, as `video_files.video_file` sees it.

    Args:
        paths (Sequence[str]): The videos of a data set.
        ann_file (str, optional): The list file, for the message.
        on_disk (bool): Whether all are on the local disk. If not, addresses
            such as s3://... are not looked at.

    Raises:
        FileNotFoundError: Says how many do not exist, and names the first.
    """
    missing = [
        path
        for path in paths
        if (on_disk or '://' not in path) and find_video_file(path) is None
    ]
    if not missing:
        return
    what = 'are no files' if os.path.exists(missing[0]) else 'do not exist'
    raise FileNotFoundError(
        f'{len(missing)} of the {len(paths)} videos named in {ann_file} '
        f'{what}, the first is {printable(missing[0])}. Check data_prefix, or '
        'leave them out of the list'
    )


def read_class_names(
    path: str, num_classes: Optional[int] = None
) -> List[str]:
    """Read the names of the classes from a file, one a line.

    Args:
        path (str): The file.
        num_classes (int, optional): How many the model has.

    Raises:
        ValueError: The file is not UTF-8, or has another number of names.
    """
    names = '\n'.join(read_lines(path)).rstrip('\n' + BLANKS).split('\n')
    if num_classes not in (None, len(names)):
        raise ValueError(
            f'{path} has {len(names)} names, the model {num_classes} classes'
        )
    return names


def read_lines(path: str) -> List[str]:
    """The lines of a text file, without their ends.

    Line ends are those of the systems, LF, CRLF and CR, and no other
    character, such as a form feed or Unicode's line separator.

    Raises:
        ValueError: The file is not UTF-8.
    """
    # Neither the locale nor a byte order mark changes what is read.
    with open(path, encoding='utf-8-sig') as file:
        try:
            lines = [line.rstrip('\n') for line in file]
        except UnicodeDecodeError as error:
            raise ValueError(_advise_utf8(path, str(error))) from error
    # UTF-16 without a byte order mark is UTF-8 with every other byte 0.
    for number, line in enumerate(lines, 1):
        if '\0' in line:
            raise ValueError(_advise_utf8(path, f'line {number} holds a 0'))
    return lines


def _advise_utf8(path: str, came: str) -> str:
    return (
        f'{path}: expected UTF-8, {came}. Save it as UTF-8, for example with '
        "'iconv -f ENCODING -t UTF-8', where ENCODING is such as GBK, UTF-16 "
        'or LATIN1'
    )
