"""Codecs that are not decoded here, through an ffmpeg on the path: a process whose output is read as a pipe, never a file.

At once run: the process; a thread that keeps the last of what it complains of; and, for a source that is no file, a thread that
feeds it. All end with ``close``.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import IO, Any

from realtime_ser.audio.byte_reader import ByteReader
from realtime_ser.text import printable

_PIECE = 1 << 16
_END_S = 2.0
_SHORTFALL_S = 0.5  # less is what codecs and containers disagree about
# ffmpeg's messages about a file that it could not read whole, with exit code 0.
_DAMAGE = ("partial file", "truncat", "invalid data", "error while decoding", "error submitting", "corrupt", "decoding error")
_SOUNDLESS = "matches no streams"  # its message about a video without sound; the next one is about its own options


def find_ffmpeg() -> str | None:
    """Where ffmpeg is, or None."""
    return shutil.which("ffmpeg")


class Ffmpeg:
    """ffmpeg decoding one recording's first audio stream into a pipe of WAV.

    Parameters
    ----------
    program : its path
    source : a file; or a reader whose rest is fed to it

    Attributes
    ----------
    output : the pipe to read

    Raises
    ------
    OSError : it does not start
    """

    def __init__(self, program: str, source: Path | ByteReader) -> None:
        self._reader: ByteReader | None = None
        self._passed: IO[bytes] | None = None
        name = "pipe:0"
        if isinstance(source, Path):
            name = f"file:{source}"
        elif (passed := _seekable_input(source)) is not None:
            self._passed, name = passed, "file:/dev/stdin"
        else:
            self._reader = source
        # A playlist may name addresses; nothing but this file or pipe is to be opened.
        command = [program, "-nostdin", "-hide_banner", "-nostats", "-v", "level+info", "-protocol_whitelist", "file,pipe"]
        command += ["-i", name, "-map", "0:a:0", "-c:a", "pcm_f32le", "-flush_packets", "1", "-f", "wav", "pipe:1"]
        options: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
        self._process = subprocess.Popen(
            command,
            stdin=self._passed or (subprocess.DEVNULL if self._reader is None else subprocess.PIPE),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            **options,
        )
        assert self._process.stdout is not None
        self.output: IO[bytes] = self._process.stdout
        self.duration_s: float | None = None
        self._guessed = False  # the duration, from a bit rate
        self._moving = False  # pictures that move: then the duration is not the sound's alone
        self._messages: deque[str] = deque(maxlen=50)
        self._threads = [threading.Thread(target=self._listen, name="ffmpeg-messages", daemon=True)]
        if self._reader is not None:
            self._threads.append(threading.Thread(target=self._feed, name="ffmpeg-feed", daemon=True))
        for thread in self._threads:
            thread.start()

    def complaint(self, read_s: float = 0.0) -> str | None:
        """After the end of the output: why not all was decoded, mostly in ffmpeg's words, or None.

        ``read_s`` is how much came out, in seconds.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        self._threads[0].join(_END_S)
        messages = list(self._messages)
        damage = [line for line in messages if any(word in line.lower() for word in _DAMAGE)]
        if not damage and any(_SOUNDLESS in line for line in messages):
            return "it holds no sound"
        if self._process.returncode not in (0, None) or damage:
            line = (damage or messages or [f"exit code {self._process.returncode}"])[-1]
            return f"ffmpeg: {printable(line)}"
        if (
            self.duration_s is not None
            and not self._moving
            and read_s < self.duration_s - max(_SHORTFALL_S, 0.01 * self.duration_s)
        ):
            return f"its header says {self.duration_s:.1f} s"
        return None

    def close(self) -> None:
        """End the process and the threads; any number of times."""
        if self._reader is not None:
            self._reader.stop()
        with contextlib.suppress(OSError):
            self._process.kill()
        for pipe in (self._process.stdout, self._process.stdin):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        for thread in self._threads:
            thread.join(_END_S)
        if self._passed is not None:
            self._passed.close()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        rest = b""
        with contextlib.suppress(OSError, ValueError):
            while piece := self._process.stderr.read(_PIECE):
                *lines, rest = (rest + piece).split(b"\n")
                rest = rest[-_PIECE:]
                for line in lines:
                    self._note(line.decode("utf-8", "replace"))
        self._note(rest.decode("utf-8", "replace"))

    def _note(self, line: str) -> None:
        """Keep what one line of ffmpeg's reports: a fault, or how long the recording is."""
        if "Estimating duration" in line:
            self._guessed = True
        elif "[info]" not in line:
            text = re.sub(r"^(\[[^]]*\] *)+", "", line).strip()
            if text and not re.search(r"\[(warning|verbose|debug)\]", line):
                self._messages.append(text[:300])
        elif (match := re.search(r"Duration: (\d+):(\d\d):(\d\d\.\d+)", line)) is not None:
            if self.duration_s is None and not self._guessed:
                self.duration_s = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
        elif "Video:" in line and "attached pic" not in line:
            self._moving = True

    def _feed(self) -> None:
        assert self._process.stdin is not None
        assert self._reader is not None
        with contextlib.suppress(OSError, ValueError, TypeError):
            while piece := self._reader.read_some(_PIECE):
                view = memoryview(piece)
                while view:
                    view = view[self._process.stdin.write(view) or 0 :]
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()


def _seekable_input(reader: ByteReader) -> IO[bytes] | None:
    """The reader's whole content as what ffmpeg may go back in: MP4 mostly has its index at the end. None for a pipe."""
    if not reader.seekable or not Path("/dev/stdin").exists():
        return None
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        number = reader.file.fileno()
        if stat.S_ISREG(os.fstat(number).st_mode) and reader.position == 0:
            os.lseek(number, 0, os.SEEK_SET)
            return os.fdopen(os.dup(number), "rb", buffering=0)
    if not hasattr(os, "memfd_create"):
        return None
    memory = os.fdopen(os.memfd_create("recording"), "w+b", buffering=0)
    while piece := reader.read_some(_PIECE):
        memory.write(piece)
    memory.seek(0)
    return memory
