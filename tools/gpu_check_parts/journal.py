"""What the check on a GPU has found so far: a file of JSON, line by line."""

import json
import os
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Union

# What a figure depends on beside the machine's mood; each line says it.
IDENTITY = ('gpu', 'torch', 'triton', 'commit')


class Found(NamedTuple):
    """Of a part: how it ended, and its records."""

    outcome: dict
    records: List[dict]


class Journal:
    """A file that a line is added to at a time, and is on disk then.

    Args:
        path (str | Path): Lines are appended to what is there.
        about (dict): What IDENTITY names.
    """

    def __init__(self, path: Union[str, Path], about: Dict[str, Any]) -> None:
        self.path = Path(path)
        self.about = {name: about[name] for name in IDENTITY}
        # A line that was cut off when a machine was lost stays one.
        if self.path.exists() and not self.path.read_text().endswith('\n'):
            self._write('\n')

    def add(self, part: str, **record: Any) -> None:
        """Add a line."""
        self._write(json.dumps(dict(part=part, **record, **self.about)) + '\n')

    def _write(self, text: str) -> None:
        with open(self.path, 'a') as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> Dict[str, Found]:
        """By part, the last that was found under the same IDENTITY."""
        parts: Dict[str, Found] = {}
        for line in self.path.read_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue  # cut off
            about = {name: record.pop(name, None) for name in IDENTITY}
            if about != self.about:
                continue
            part = record.pop('part')
            parts.setdefault(part, Found(dict(status='started'), []))
            if record.get('status') == 'started':
                parts[part] = Found(record, [])
            elif 'status' in record:
                parts[part] = Found(record, parts[part].records)
            else:
                parts[part].records.append(record)
        return parts
