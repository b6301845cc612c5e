"""A file's bytes, classified as ``classify`` does: the answer is its row. The file is deleted before the answer is sent."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from realtime_ser.audio.file import FileSource
from realtime_ser.errors import SerError
from realtime_ser.pipeline.session import StreamSession
from realtime_ser.records import Estimate, Segment, Summary
from realtime_ser.serve.limits import Limits
from realtime_ser.serve.models import Models
from realtime_ser.sinks.text import number
from realtime_ser.text import printable

_LONGEST_NAME = 200


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

    async def classify(self, data: bytes, name: str, model: str | None, *, timeline: bool) -> dict[str, Any]:
        """The row of a file.

        Parameters
        ----------
        data : the file's bytes, of any format that ``replay`` reads
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
        return await loop.run_in_executor(self._threads, self._row, data, printable(name)[:_LONGEST_NAME], model, timeline)

    def close(self) -> None:
        """End the threads; what is being classified is finished first."""
        self._threads.shutdown(cancel_futures=True)

    def _row(self, data: bytes, name: str, model: str | None, timeline: bool) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="realtime-ser-") as folder:
            path = Path(folder) / "upload"
            path.write_bytes(data)
            try:
                return self._listen(path, name, model, timeline)
            except SerError as error:
                return self._empty(name, model) | {"error": str(error).replace(str(path), name)}

    def _empty(self, name: str, model: str | None) -> dict[str, Any]:
        card = self._models.model(model).card
        return {
            "path": name,
            "duration_s": None,
            "label": None,
            "confidence": None,
            "model": card.name,
            "model_sha256": card.sha256,
            "error": None,
        }

    def _listen(self, path: Path, name: str, model: str | None, timeline: bool) -> dict[str, Any]:
        engine = self._models.engine(model)
        session = StreamSession(engine)
        windows: list[Estimate] = []
        segments: list[Segment] = []
        with FileSource(path) as source:
            if source.duration_s is not None and source.duration_s > self._limits.upload_s:
                raise UploadError("too_long", f"the recording is longer than {self._limits.upload_s:g} s", 413)
            session.start(self._models.config, source=name, source_rate=source.rate)
            records: list[Any] = []
            for block in source.blocks():
                records += session.push(block)
            records += session.close()
        windows = [record for record in records if isinstance(record, Estimate)]
        segments = [record for record in records if isinstance(record, Segment)]
        summary: Summary = records[-1]
        rate, labels = engine.sample_rate, engine.model.labels
        spoken = [window for window in windows if window.probs]
        weight = sum(window.hop for window in spoken)
        means = [sum(w.probs[i] * w.hop for w in spoken) / weight if weight else None for i in range(len(labels))]
        seconds = defaultdict(float, summary.seconds_by_label)
        best = max(range(len(labels)), key=lambda i: means[i] or 0.0) if weight else None
        row = self._empty(name, model) | {
            "duration_s": number(summary.health.captured / rate, 3),
            "label": None if best is None else labels[best],
            "confidence": None if best is None else number(means[best], 4),
            **{f"probability_{label}": number(mean, 4) for label, mean in zip(labels, means, strict=True)},
            **{f"seconds_{label}": number(seconds[label], 3) for label in labels},
            "speech_s": number(summary.health.classified / rate, 3),
            "dropped_s": number(summary.health.dropped / rate, 3),
        }
        if timeline:
            row["windows"] = [
                [number(w.end_s - w.hop_s, 3), number(w.end_s, 3), w.state, w.label, number(w.confidence, 3)] for w in windows
            ]
            row["segments"] = [
                {
                    "start_s": number(s.start_s, 3),
                    "end_s": number(s.end_s, 3),
                    "label": s.label,
                    "confidence": number(s.confidence, 4),
                }
                for s in segments
            ]
        return row
