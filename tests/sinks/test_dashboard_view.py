"""What stands on the screen, at any size, in any terminal, for any name."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from realtime_ser.config import resource
from realtime_ser.records import Block, Estimate, Health, Notice, Session
from realtime_ser.sinks.dashboard.state import Cell, Moment, Snapshot
from realtime_ser.sinks.dashboard.strip import axis, columns
from realtime_ser.sinks.dashboard.view import view

EIGHT = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")


def snapshot(records, **options) -> Snapshot:
    cell = Cell(60.0, lambda: 1.0, **options)
    for record in records:
        cell.put(record)
    return cell.take()


def screen(shot: Snapshot, width: int = 80, height: int = 24, **options) -> list[str]:
    console = Console(width=width, height=height, record=True, file=io.StringIO(), force_terminal=True)
    console.print(view(shot, width, height, **options))
    return console.export_text().removesuffix("\n").split("\n")


def until(records, windows: int):
    """The stream up to its n-th estimate, its health included."""
    kept, seen = [], 0
    for record in records:
        kept.append(record)
        seen += isinstance(record, Health)
        if seen == windows:
            return kept
    return kept


@pytest.mark.parametrize("name", ["mlp", "cnn", "large"])
def test_the_score_of_a_shipped_model_fits_80_columns(stream, name):
    card = json.loads(resource(f"weights/{name}.json").read_text(encoding="utf-8"))
    own = card["unseen"]["corpus"]
    session, *rest = until(stream(64, card=card), 40)
    shot = snapshot([replace(session, model=name), *rest])
    for width, what in ((80, "people never met"), (100, card["headline"])):
        (line,) = [line for line in screen(shot, width) if f"model {name}: {what}" in line]
        assert "…" not in line
        assert ", 4 emotions: " in line
        assert f"{own['four_cold']:.1f} % UAR" in line
        assert f" {own['four_known']:.1f}" in line


def test_everything_stands_on_80_by_24(stream):
    lines = screen(snapshot(until(stream(64, live=True, source="USB mic"), 40)))
    text = "\n".join(lines)
    assert len(lines) == 24
    assert max(map(cell_len, lines)) <= 80
    for label in EIGHT:
        assert sum(f" {label} " in line and "%" in line for line in lines) == 1
    for expected in (
        "realtime-ser  USB mic",
        "audio stays on this machine, none of it is stored or sent",
        "-23.0 dBFS",
        "latency p50 11.9 ms  p99 13.9 ms   windows 40   xruns 0",
        "captured 10.1 s = classified 8.0 + gated 2.0 + dropped 0.1 + pending 0.0",
        "model cnn: 69.1 % UAR, unseen speakers",
        "Ctrl-C ends",
        "-60 s",
        "now",
        "the device is back",
        "60 %",
    ):
        assert expected in text
    # CALM, in big letters.
    assert any(line.lstrip().startswith("▄▀▀ ▄▀▄ █   █▄ ▄█") for line in lines)


def test_bars_are_as_long_as_their_probability_and_aligned(stream):
    shot = snapshot(until(stream(64), 8))
    rows = {label: next(line for line in screen(shot) if f" {label} " in line) for label in EIGHT}
    starts = {row.index("█") for row in rows.values()}
    assert len(starts) == 1
    full = 80 - 2 - starts.pop() - 6
    assert sum(mark in "█│" for mark in rows["angry"]) == pytest.approx(0.6 * full, abs=1)
    assert len({row.rstrip()[-1] for row in rows.values()}) == 1
    assert "60 %" in rows["angry"]


def test_silence_and_unsure_are_told_from_emotions(stream):
    records = stream(64)
    quiet = "\n".join(screen(snapshot(until(records, 20))))
    assert "nobody speaks" in quiet
    assert "%" not in "".join(line for line in quiet.splitlines() if " angry " in line)
    assert "no emotion is sure" in "\n".join(screen(snapshot(until(records, 28))))


def test_a_lost_device_stays_on_screen_until_it_is_back(stream):
    now = [0.0]
    cell = Cell(60.0, lambda: now[0])
    for record in until(stream(64), 21):
        cell.put(record)
    now[0] = 100.0
    assert any("! the device is gone" in line for line in screen(cell.take()))
    cell.put(Notice("device_back", "here again"))
    assert any("! here again" in line for line in screen(cell.take()))
    now[0] = 200.0
    assert not any("here again" in line or "is gone" in line for line in screen(cell.take()))


YETI = (
    "microphone Blue Yeti Stereo Microphone Digital Output IEC958 is gone (its stream ended); waiting up to 30 s for its return"
)


def test_while_the_microphone_is_gone_no_emotion_is_shown(stream):
    lost = [*until(stream(64, live=True), 8), Notice("device_lost", YETI)]
    lines = screen(snapshot(lost))
    text = "\n".join(lines)
    assert "waiting for its return" in text
    assert not any("60 %" in line or "█" in line for line in lines[:2] + lines[6:15])
    assert any(line.lstrip().startswith("█▄ █ ▄▀▄") for line in lines), "NO MIC in big letters"
    assert "Ctrl-C ends" in lines[-1]
    # The notice is whole.
    assert " ".join(text.split()).count(YETI) == 1
    small = screen(snapshot(lost), 40, 10)
    assert any(line.startswith("NO MIC  gone; waiting for its return") for line in small)
    assert sum("! microphone" in line for line in small) == 1
    back = screen(snapshot([*lost, Notice("device_back", "here again")]))
    assert any("for the next window" in line for line in back)


def test_one_row_has_the_word(stream):
    assert screen(snapshot(until(stream(64), 8)), 80, 1)[0].startswith("  ANGRY  60 %")
    calm = [record for record in until(stream(64), 40) if not isinstance(record, Notice)]
    word, bar = screen(snapshot(calm), 80, 2)
    assert word.startswith("  CALM")
    assert " calm " in bar


def test_before_the_first_window(stream):
    assert "waiting for audio" in screen(Snapshot())[0]
    text = "\n".join(screen(snapshot(stream(64)[:1])))
    assert "for the first window" in text
    assert "latency not measured" in text


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 200), st.integers(1, 70), st.integers(0, 64), st.integers(1, 12), st.booleans(), st.booleans(),
    st.text(max_size=30),
)  # fmt: skip
@example(40, 10, 40, 8, False, False, "mic")
@example(80, 24, 40, 12, True, True, "マイク" * 20)
def test_any_size_any_name_any_number_of_labels(stream, width, height, windows, count, ascii_only, colourless, name):
    labels = tuple(f"{name}{index}" for index in range(count))
    records = until(stream(64, source=name, labels=labels, message=name), windows)
    lines = screen(snapshot(records), max(10, width), height, ascii_only=ascii_only, colourless=colourless)
    assert len(lines) == height
    assert max(map(cell_len, lines)) <= max(10, width)
    if ascii_only and name.isascii():
        assert "\n".join(lines).replace("\ufffd", "").replace("…", "").isascii()


def test_40_by_10_keeps_the_word_and_the_bars(stream):
    lines = screen(snapshot(until(stream(64), 8)), 40, 10)
    assert lines[0].startswith("ANGRY  60 %")
    assert sum("%" in line for line in lines[1:9]) == 8


def test_hostile_names_do_nothing(stream):
    name = "[bold red]x[/bold red]\x1b]0;t\x07\x1b[2J\r\n\u202e\udcff"
    records = until(stream(64, source=name, labels=(name, "b"), message=name, card={"headline": name}), 21)
    raw = io.StringIO()
    console = Console(width=100, height=30, file=raw, force_terminal=True)
    console.print(view(snapshot(records), 100, 30))
    for harmful in ("\x1b]", "\x1b[2J", "\x07", "\r", "\u202e", "\udcff"):
        assert harmful not in raw.getvalue()
    assert "[bold red]x[/bold red]" in raw.getvalue()


def test_without_colour_the_timeline_reads_by_letters(stream):
    shot = snapshot(until(stream(64), 40))
    assert any(re.fullmatch(r"A+xA*·+\?+C+", line.strip()) for line in screen(shot, colourless=True))
    console = Console(width=80, height=24, file=io.StringIO(), force_terminal=True, no_color=True)
    console.print(view(shot, 80, 24, colourless=True))
    assert "38;5" not in console.file.getvalue()
    assert "38;2" not in console.file.getvalue()


@pytest.mark.parametrize("count", [76, 116, 40])
def test_the_timeline_scrolls_in_whole_columns(count):
    moments = [
        Moment(0.25 * at, 0.25 * at + 0.25, "speech", "happy" if at // 20 % 2 else "sad", 0.5, at == 100) for at in range(400)
    ]
    step = 60.0 / count
    before = columns(moments, 90.0, 60.0, count)
    after = columns(moments, 90.0 + step, 60.0, count)
    assert before[2:-1] == after[1:-2]
    assert sum(column.key == "lost" for column in columns(moments, 60.0, 60.0, count)) in (1, 2)
    assert all(column.key for column in before)


def test_the_timeline_is_empty_before_the_stream_began():
    moments = [Moment(0.0, 15.0, "no_speech", None, 0.0, False)]
    keys = [column.key for column in columns(moments, 15.0, 60.0, 60)]
    assert keys == [""] * 45 + ["no_speech"] * 15


@given(st.integers(10, 250), st.floats(5, 3600))
def test_the_axis_has_the_width_of_the_strip(width, span):
    assert len(axis(span, width)) == width
    assert axis(span, width).rstrip().endswith("now┘")


def test_hours_of_windows_keep_the_state_small(stream):
    cell = Cell(60.0, lambda: 0.0)
    labels = ("a", "b")
    cell.put(Session("0", "m", labels, 16000, 3.0, 0.01, "mic", "now"))
    for index in range(1, 20_000):
        cell.put(
            Estimate(0, 160 * index, 160, 16000, "speech", "a", 0.5, labels, (0.5, 0.5), (0.5, 0.5), 1.0, -20.0, 0, None, 0.01)
        )
    shot = cell.take()
    assert len(shot.timeline) < 1200
    assert shot.timeline[0].end_s < shot.now_s - 60
    assert len(shot.latencies_ms) == 500


def test_the_level_survives_nan_and_says_clipping(stream):
    cell = Cell(60.0, lambda: 0.0)
    for record in stream(4):
        cell.put(record)
    cell.put(Block(np.array([np.nan, np.inf, -np.inf, 3e38], np.float32), 16000, 0))
    shot = cell.take()
    assert -20.0 > shot.rms_dbfs > -24.0
    assert shot.peak_dbfs == 0.0
    assert "CLIPPING" in "\n".join(screen(shot))


def test_the_level_stands_between_blocks_and_falls_when_none_come(stream):
    now = [0.0]
    cell = Cell(60.0, lambda: now[0])
    for record in stream(4):
        cell.put(record)
    first = cell.take()
    now[0] = 0.1
    second = cell.take()
    now[0] = 1.0
    third = cell.take()
    assert first.rms_dbfs == second.rms_dbfs == pytest.approx(-23.0, abs=0.1)
    assert first.peak_dbfs > second.peak_dbfs > third.peak_dbfs
    assert (third.receiving, third.rms_dbfs) == (False, -120.0)
    assert "no audio" in "\n".join(screen(third))
