"""Plain lines say what changes, once, in any encoding."""

from __future__ import annotations

import errno
import io
import subprocess
import sys

import pytest

from realtime_ser.errors import SinkError
from realtime_ser.records import Estimate
from realtime_ser.sinks.console import PlainSink


class Clock:
    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def told(records, *, step=0.0, **options):
    out = io.StringIO()
    sink = PlainSink(out, monotonic=Clock(step), **options)
    for record in records:
        sink.write(record)
    sink.close()
    return out.getvalue()


def test_a_line_per_change_then_the_end(stream):
    lines = told(stream(64)).splitlines()
    assert lines[0] == "reading talk.wav (0:16); audio stays on this machine"
    assert sum("angry" in line and "60 %" in line and "[############        ]" in line for line in lines) == 1
    assert sum("(nobody speaks)" in line for line in lines) == 2
    assert sum("! the device is gone" in line for line in lines) == 1
    assert lines[-3:] == [
        "talk.wav: 16.1 s captured, 64 windows, 0.10 s lost",
        "  angry 6.0 s, not sure 6.0 s, nobody speaks 4.0 s",
        "  latency p50 12.0 ms, p99 16.0 ms",
    ]


def test_otherwise_about_one_a_second_of_wall_time(stream):
    steady = [record for record in stream(8) if isinstance(record, Estimate)]
    assert told(steady * 5, step=0.25).count("angry") == 10
    assert told(steady * 5, step=0.0).count("angry") == 1


def test_a_microphone_is_told_where_the_audio_goes(stream):
    records = stream(1, live=True, source="USB\x1b[2J mic")
    assert told(records).startswith(
        "listening to USB\ufffd[2J mic; audio stays on this machine, none of it is stored or sent\n"
    )
    kept = told(records, recording="out.flac").splitlines()[0]
    assert kept.endswith("recorded in out.flac, none of it is sent")
    assert "\x1b" not in told(stream(64, message="\x1b[31mred\x07"))


def test_a_word_on_the_model_follows_the_first_greeting_alone(stream):
    records = stream(1, live=True)
    lines = told([*records, *records], about="right now and then\x1b").splitlines()
    assert lines[1] == "right now and then\ufffd"
    assert sum("now and then" in line for line in lines) == 1


def test_a_terminal_that_knows_no_umlauts(stream):
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    sink = PlainSink(out)
    sink.write(stream(1, source="Gerät 🎤")[0])
    assert b"reading Ger?t ?" in raw.getvalue()


def test_a_gone_reader_and_a_full_disk():
    script = (
        "import sys; from realtime_ser.sinks.console import PlainSink; from realtime_ser.records import Notice\n"
        "from realtime_ser.errors import SinkError\n"
        "sink = PlainSink(sys.stdout)\n"
        "try:\n"
        "    while True: sink.write(Notice('xrun', 'm' * 500))\n"
        "except SinkError as error: sys.stderr.write(str(error.closed_by_reader))\n"
        "sink.close()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == "True"
    process.stderr.close()
    assert process.wait() == 0


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_is_gone_is_the_readers_choice(stream, terminal):
    class Gone(io.StringIO):
        def isatty(self) -> bool:
            return terminal

        def write(self, text: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(SinkError, match="terminal of the plain lines is gone" if terminal else "check the disk") as caught:
        PlainSink(Gone()).write(stream(1)[0])
    assert caught.value.closed_by_reader == terminal


def test_a_closed_stream_is_a_sink_error(stream):
    out = io.StringIO()
    sink = PlainSink(out)
    out.close()
    with pytest.raises(SinkError, match="cannot write plain lines"):
        sink.write(stream(1)[0])
