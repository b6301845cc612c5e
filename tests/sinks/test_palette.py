"""Every label gets its own letter and colour, and keeps its colour from model to model."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from realtime_ser.sinks.dashboard.big_letters import big
from realtime_ser.sinks.palette import tints

EIGHT = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")


def test_the_eight_emotions_by_their_first_free_letter():
    assert [tints(EIGHT)[label].letter for label in EIGHT] == list("ACDFHNSU")
    assert len({tint.colour for tint in tints(EIGHT).values()}) == 8


def test_the_same_emotion_by_another_name_has_the_same_colour():
    other = tints(("sadness", "anger", "fear", "happiness"))
    mine = tints(EIGHT)
    for name, other_name in (("sad", "sadness"), ("angry", "anger"), ("fearful", "fear"), ("happy", "happiness")):
        assert mine[name].colour == other[other_name].colour


@given(st.lists(st.text(max_size=6), min_size=1, max_size=12, unique=True))
def test_letters_are_distinct_and_never_the_mark_of_a_loss(labels):
    found = tints(labels)
    letters = [found[label].letter for label in labels]
    assert len(set(letters)) == len(letters)
    assert not {"X", "x", "?", "·", "*"} & set(letters)
    assert all(re.fullmatch("#[0-9a-f]{6}", found[label].colour) for label in labels)


def test_big_letters_stand_in_three_equal_rows():
    rows = big("surprised")
    assert rows is not None
    assert len({len(row) for row in rows}) == 1
    # The longest of the eight leaves room for its percentage and the level meter at 80 columns.
    assert len(rows[0]) == 33
    assert big("häppy") is None
