"""Recordings judged by several processes on this machine.

What runs at once: N processes, each with an engine of its own, and here a thread for each that hands it a recording and waits
for the answer. The threads take recordings from one list and put answers into one queue, from which the caller takes them.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

from realtime_ser.batch.inputs import Recording
from realtime_ser.batch.judge import Judged, failed
from realtime_ser.batch.result import Row

_POLL_S = 0.2  # how soon a wish to stop is seen
_TRIES = 2  # a recording that ends so many processes is not tried again
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class _Process:
    """One worker, started when it first gets something to do and again after it died."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._closed = False
        self._starting = threading.Lock()  # no process is started behind the back of ``close``

    def judge(self, path: str) -> Judged:
        """The answer to a recording; raises ChildProcessError with the reason when the process dies of it."""
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # a dead process is seen below
            self._process.stdin.write(json.dumps({"path": path}).encode() + b"\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if answer.endswith(b"\n"):
            return Judged.from_json(json.loads(answer))
        raise ChildProcessError(self._reason())

    def close(self, *, now: bool) -> None:
        """End the process: when its recording is finished, or ``now``. From another thread, ``judge`` then raises."""
        with self._starting:
            self._closed = True
            process = self._process
        if process is None:
            return
        if now:
            process.kill()
        elif process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        process.wait()

    def release(self) -> None:
        """Close what is left of an ended process."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout, self._said):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        self._process = self._said = None

    def _start(self) -> None:
        with self._starting:
            if self._closed:
                raise ChildProcessError("the run was stopped")
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "realtime_ser.batch.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env={**_ONE_THREAD, **os.environ},
            )
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(self._settings).encode() + b"\n")

    def _reason(self) -> str:
        assert self._process is not None
        assert self._said is not None
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        self.release()
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"{ended}: {last}" if last and code >= 0 else ended


def judge_in_processes(
    recordings: Sequence[Recording],
    settings: Mapping[str, Any],
    like: Row,
    jobs: int,
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Recording, Judged]]:
    """Answers as they come, in no order; the largest recordings are begun first.

    Parameters
    ----------
    settings : see ``judge.settings``
    like : any row of the same model, for recordings that end their process twice
    jobs : processes
    stopped : called regularly; once true, what is under way is abandoned
    """
    left = deque(sorted(recordings, key=lambda each: -each.size))
    done: queue.SimpleQueue[tuple[Recording, Judged] | None] = queue.SimpleQueue()
    workers = [_Process(settings) for _ in range(max(1, min(jobs, len(left))))]
    leaving = threading.Event()

    def work(worker: _Process) -> None:
        try:
            while not leaving.is_set():
                try:
                    recording = left.popleft()
                except IndexError:
                    break
                reason = ""
                for _ in range(_TRIES):
                    try:
                        done.put((recording, worker.judge(recording.path)))
                        break
                    except (ChildProcessError, OSError, ValueError, KeyError) as error:
                        if leaving.is_set():
                            return
                        reason = str(error)
                else:
                    done.put((recording, failed(recording.path, like, f"{_TRIES} processes died of it; the last {reason}")))
        finally:
            done.put(None)

    threads = [threading.Thread(target=work, args=(worker,), name="classify-job", daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    working = len(threads)
    try:
        while working and not stopped():
            try:
                item = done.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if item is None:
                working -= 1
            else:
                yield item
    finally:
        leaving.set()
        for worker in workers:
            worker.close(now=working > 0)
        for thread in threads:
            thread.join()
        for worker in workers:
            worker.release()
