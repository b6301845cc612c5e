"""A file's bytes, classified as ``classify`` does: the answer is its row. The file is deleted before the answer is sent."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import tempfile
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from realtime_ser.audio.file import FileSource
from realtime_ser.audio.foreign import conversion
from realtime_ser.batch.one import Answer, play
from realtime_ser.batch.result import make_row
from realtime_ser.errors import SerError
from realtime_ser.pipeline.session import session_record
from realtime_ser.records import Estimate
from realtime_ser.serve.limits import Limits
from realtime_ser.serve.models import Models
from realtime_ser.sinks.json_records import to_json
from realtime_ser.sinks.text import number
from realtime_ser.text import printable

_LONGEST_NAME = 200
_Answered = tuple[dict[str, Any], int]


class UploadError(Exception):
    """A file that is not taken; ``status`` is HTTP's, ``code`` a word for programs."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Uploads:
    """Classifies files on threads of their own, so many at once and no more."""

    def __init__(self, models: Models, limits: Limits) -> None:
        self._models, self._limits = models, limits
        self._taken = 0
        self._stopping = False
        self._threads = ThreadPoolExecutor(limits.uploads, thread_name_prefix="uploads")

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One of the places; raises UploadError when all are taken."""
        if self._taken >= self._limits.uploads:
            raise UploadError("busy", "other files are being classified; try again soon", 503)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def classify(self, data: bytes, name: str, model: str | None, *, timeline: bool) -> _Answered:
        """The row of a file, and HTTP's status: 422 where not all of it could be read.

        Where the caller is cancelled, the work ends soon.

        Parameters
        ----------
        data : the file's bytes, WAV, FLAC, OGG or MP3
        name : for the row's ``path``
        model : one of those offered, None for the default
        timeline : with ``windows`` and ``segments`` too

        Raises
        ------
        UploadError : the model is not offered, or the recording is too long
        """
        if model is not None and model not in self._models.names:
            raise UploadError("unknown_model", f"this server offers {', '.join(self._models.names)}", 400)
        loop = asyncio.get_running_loop()
        gone = threading.Event()
        try:
            return await loop.run_in_executor(
                self._threads, self._row, data, printable(name)[:_LONGEST_NAME], model, timeline, gone
            )
        finally:
            gone.set()

    def stop(self) -> None:
        """What is being classified ends unfinished."""
        self._stopping = True

    def close(self) -> None:
        """End the threads."""
        self.stop()
        self._threads.shutdown(cancel_futures=True)

    def _row(self, data: bytes, name: str, model: str | None, timeline: bool, gone: threading.Event) -> _Answered:
        with tempfile.TemporaryDirectory(prefix="realtime-ser-") as folder:
            path = Path(folder) / "upload"
            path.write_bytes(data)
            return self._classify(path, name, model, timeline, gone)

    def _check_length(self, seconds: float) -> None:
        if seconds > self._limits.upload_s:
            raise UploadError("too_long", f"the recording is longer than {self._limits.upload_s:g} s", 413)

    def _classify(self, path: Path, name: str, model: str | None, timeline: bool, gone: threading.Event) -> _Answered:
        config, engine = self._models.config, self._models.engine(model)
        answer, windows, error = Answer(engine.model.labels), list[Estimate](), None
        try:
            # Only what is decoded here: a stranger's bytes start no other program.
            with FileSource(path, channel=config.capture.channel, ffmpeg=False) as source:
                self._check_length(source.duration_s or 0.0)
                for record in play(source, engine, config):
                    if self._stopping:
                        raise UploadError("busy", "the server stops; try again later", 503)
                    if gone.is_set():
                        raise UploadError("incomplete", "the client left before the answer", 408)
                    answer.add(record)
                    if isinstance(record, Estimate):
                        # A header may state no length, or that of the first of several joined files.
                        self._check_length(record.end_s)
                        if timeline:
                            windows.append(record)
        except SerError as fault:
            error = str(fault)
        status = 200 if error is None else 422  # one that is too short was read whole
        error = error or answer.too_short
        error = error and _for_sender(error, path, name)
        session = session_record(engine, config, source=name)
        row: dict[str, Any] = dict(make_row(name, session, answer.probabilities, answer.summary, error))
        if timeline:
            row["windows"] = [_piece(window) for window in windows]
            row["segments"] = [to_json(segment) for segment in answer.segments]
        return row, status


def _for_sender(message: str, path: Path, name: str) -> str:
    """A fault's message with the sender's name for the file, and a command that reads and writes files of theirs."""
    target = f"{Path(name).stem or 'talk'}.wav"
    command = f"ffmpeg -i {shlex.quote(name)} {shlex.quote(target if target != name else f'converted-{target}')}"
    return message.replace(f": {conversion(str(path))}", f" to WAV, as with {command}").replace(str(path), name)


def _piece(window: Estimate) -> list[Any]:
    start_s, end_s = number(window.end_s - window.hop_s, 3), number(window.end_s, 3)
    return [start_s, end_s, window.state, window.label, number(window.confidence, 3)]
