"""How long an uploaded video may be, and how long its file stays."""

from pathlib import Path
from typing import Dict, Optional

from ..video import naming_errors, open_container

MAX_MEGABYTES = 200
MAX_MINUTES = 5


def check_length(path: str) -> None:
    """Refuse a video that is too long, before anything is decoded.

    Raises:
        ValueError: The video cannot be read, or its packets are spread over
            more than `MAX_MINUTES`.
    """
    with naming_errors(path), open_container(path) as container:
        stream = container.streams.video[0]
        packets = container.demux(stream)
        stamps = [p.pts for p in packets if p.pts is not None]
        ticks = max(stamps, default=0) - min(stamps, default=0)
        seconds = round(float(ticks * (stream.time_base or 0)))
        if seconds > 60 * MAX_MINUTES:
            raise ValueError(
                f'expected at most {MAX_MINUTES} minutes, it is '
                f'{seconds // 60}:{seconds % 60:02} long; `mmvideomamba '
                'predict` takes videos of any length'
            )


class Uploads:
    """The files that are shown; each is deleted when nobody is shown it."""

    def __init__(self) -> None:
        self._shown: Dict[str, str] = {}

    def show(self, session: str, path: Optional[str]) -> None:
        """Note what a visitor is shown now, in place of what it was before.

        Args:
            session (str): Of the visitor.
            path (str, optional): The file; None: nothing any more.
        """
        before = self._shown.pop(session, None)
        if path is not None:
            self._shown[session] = path
        # The same file that two visitors upload is one file.
        if before is not None and before not in self._shown.values():
            Path(before).unlink(missing_ok=True)
