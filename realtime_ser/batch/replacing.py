"""Files that are whole or absent, as something to write to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from realtime_ser.errors import SinkError
from realtime_ser.sinks.files import WholeFile, sink_error
from realtime_ser.text import printable


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, put at ``path`` when the block ends well and removed when it does not; see ``WholeFile``.

    Raises
    ------
    SinkError : full disk, no permission, no such folder: what was at ``path`` is there still
    """
    whole = WholeFile(path)
    try:
        with os.fdopen(whole.open(), "wb", closefd=False) as file:
            yield file
    except BrokenPipeError as error:
        whole.discard()
        raise SinkError(f"the reader of {printable(str(path))} closed it", closed_by_reader=True) from error
    except OSError as error:
        whole.discard()
        raise sink_error(str(path), error) from error
    except BaseException:
        whole.discard()
        raise
    whole.commit()
