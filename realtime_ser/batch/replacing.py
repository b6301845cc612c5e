"""Files that are whole or absent: written beside their place and moved into it."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from realtime_ser.errors import SinkError
from realtime_ser.sinks.files import sink_error
from realtime_ser.text import printable


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, moved onto ``path`` when the block ends well and removed when it does not.

    The file is readable by its owner alone. A symbolic link is followed. A device or pipe, which nothing can replace, is
    written to directly.

    Raises
    ------
    SinkError : full disk, no permission, no such folder: what was at ``path`` is there still
    """
    real = Path(os.path.realpath(path))
    temporary: Path | None = None
    try:
        if real.exists() and not stat.S_ISREG(real.stat().st_mode) and not real.is_dir():
            with real.open("wb") as file:
                yield file
            return
        if real.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        handle, name = tempfile.mkstemp(prefix=".realtime-ser-", suffix=".tmp", dir=real.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(real)
    except BrokenPipeError as error:
        raise SinkError(f"the reader of {printable(str(path))} closed it", closed_by_reader=True) from error
    except OSError as error:
        raise sink_error(str(path), error) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
