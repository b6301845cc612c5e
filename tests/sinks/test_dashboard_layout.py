"""What has no room is broken at spaces, shortened or left out, in a fixed order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from realtime_ser.records import Session
from realtime_ser.sinks.dashboard.layout import fit, flow, stack, wrapped
from realtime_ser.sinks.dashboard.wording import greeting_in

MIC = Session("0", "mlp", ("a",), 16000, 3.0, 0.25, "Blue Yeti Stereo Microphone", "now")


def sections(**counts: int) -> dict[str, list[Text]]:
    return {name: [Text(f"{name} {index}") for index in range(count)] for name, count in counts.items()}


def test_the_word_stays_longer_than_the_bars():
    given = sections(now=1, bars=8, footer=1)
    assert [line.plain for line in stack(given, 1)] == ["now 0"]
    assert [line.plain for line in stack(given, 3, [5, 2, 0])] == ["now 0", "bars 2", "bars 5"]
    assert len(stack(given, 10)) == 10


def test_text_is_broken_at_spaces():
    text = "! microphone Blue Yeti is gone (its stream ended); waiting up to 30 s for its return"
    assert wrapped(text, 50, 2) == ["! microphone Blue Yeti is gone (its stream ended);", "waiting up to 30 s for its return"]
    assert wrapped(text, 50, 1) == [fit(text, 50)]
    assert wrapped("short", 50, 2) == ["short"]


@given(st.text(max_size=60), st.integers(2, 40), st.integers(1, 3))
def test_wrapped_text_has_room(text, room, rows):
    lines = wrapped(text, room, rows)
    assert 1 <= len(lines) <= rows
    assert max(map(cell_len, lines)) <= room


def test_parts_stay_whole():
    lines = flow([(part, Style()) for part in ("captured 4.8 s", "= classified 4.3", "+ gated 0.5")], 34, " ", margin="  ")
    assert [line.plain for line in lines] == ["  captured 4.8 s = classified 4.3", "    + gated 0.5"]


@pytest.mark.parametrize(
    ("room", "recording", "words"),
    [
        (120, None, "listening to Blue Yeti Stereo Microphone; audio stays on this machine, none of it is stored or sent"),
        (76, None, "listening; audio stays on this machine, none of it is stored or sent"),
        (76, "r.flac", "listening; audio stays on this machine, recorded in r.flac, not sent"),
        (40, None, "audio stays here, not stored, not sent"),
        (36, "/home/me/recordings/r.flac", "recorded in r.flac, not sent"),
    ],
)
def test_the_greeting_is_shortened_in_steps(room, recording, words):
    text = greeting_in(room, MIC, recording, ())
    assert text == words
    assert cell_len(text) <= room


def test_the_greeting_of_a_file_says_where_its_audio_stays():
    session = replace(MIC, duration_s=5.0)
    assert greeting_in(45, session, None, ()) == "reading; audio stays on this machine"
