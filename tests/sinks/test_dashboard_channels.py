"""The channels of a source in one picture."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from realtime_ser.records import Block, Notice
from realtime_ser.sinks.dashboard.channels import view_channels
from realtime_ser.sinks.dashboard.state import Cells, Snapshot


def snapshots(stream, channels: int) -> list[Snapshot]:
    cells = Cells(60.0, lambda: 1.0)
    for record in stream(8):
        if isinstance(record, Block):
            cells.put(replace(record, samples=np.stack([record.samples * (n + 1) / channels for n in range(channels)], axis=1)))
        else:
            for channel in range(1, channels + 1):
                cells.put(replace(record, channel=channel))
    return cells.take()


def screen(shots: list[Snapshot], width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, record=True, file=io.StringIO(), force_terminal=True)
    console.print(view_channels(shots, width, height))
    return console.export_text().removesuffix("\n").split("\n")


def test_two_channels_stand_side_by_side_on_80_by_24(stream) -> None:
    lines = screen(snapshots(stream, 2), 80, 24)
    assert "channel 1" in lines[0]
    assert "channel 2" in lines[0]
    (word,) = [line for line in lines if line.count("ANGRY") == 2]
    assert word.count("60 %") == 2
    assert sum(line.count("angry") for line in lines) == 2


def test_no_word_is_cut_side_by_side(stream) -> None:
    left = "\n".join(line.split("│")[0].rstrip() for line in screen(snapshots(stream, 2), 80, 24))
    for words in ("latency p50 ", "ms\n", "windows 8   xruns 0\n", "captured ", "+ gated ", "+ pending 0.0\n"):
        assert words in left
    assert "audio stays on this machine\n" in left


def test_two_channels_stand_below_one_another_on_40_columns(stream) -> None:
    lines = screen(snapshots(stream, 2), 40, 20)
    assert not any("│" in line and line.count("ANGRY") == 2 for line in lines)
    assert sum("ANGRY" in line for line in lines) == 2


def test_what_has_no_room_is_said(stream) -> None:
    lines = screen(snapshots(stream, 32), 80, 10)
    assert "more channels" in lines[-1]


def test_each_channel_has_its_level(stream) -> None:
    quiet, loud = snapshots(stream, 2)
    assert loud.rms_dbfs == pytest.approx(quiet.rms_dbfs + 6.02, abs=0.1)


def test_a_notice_without_a_channel_stands_in_all_and_a_recording_with_fewer_follows(stream) -> None:
    cells = Cells(60.0, lambda: 1.0)
    for channel in (1, 2, 3):
        cells.put(replace(stream(8)[0], channel=channel))
    cells.put(Notice("sink_failed", "the disk is full"))
    assert [shot.notice for shot in cells.take()] == [("sink_failed", "the disk is full")] * 3
    for channel in (1, 2, 3):
        cells.put(replace(stream(8)[-1], channel=channel))
    for channel in (1, 2):
        cells.put(replace(stream(8)[0], channel=channel))
    assert len(cells.take()) == 2
    assert [ended.summary.channel for ended in cells.finished()] == [1, 2, 3]


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 200), st.integers(1, 60))
def test_any_size_and_any_number_of_channels(stream, channels: int, width: int, height: int) -> None:
    shots = [replace(Snapshot(), timeline_s=60.0)] * channels if channels > 4 else snapshots(stream, channels)
    lines = screen(shots, max(10, width), height)
    assert len(lines) == height
    assert max(map(cell_len, lines)) <= max(10, width)
