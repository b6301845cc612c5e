"""Which clips a run uses."""

from __future__ import annotations

from collections import Counter

import pytest

from realtime_ser.errors import ConfigError
from train.data.manifest import Row
from train.data.select import Selection, select
from train.settings import train_settings


def row(number: int, emotion: str, corpus: str = "tess", channel: str = "speech") -> Row:
    return Row(f"{corpus}/{number}.wav", corpus, f"{corpus}-1", emotion, "", "", "", channel, 1.0 + number / 10, str(number))


ROWS = [row(i, "sad") for i in range(9)] + [row(10 + i, "happy") for i in range(4)] + [row(20, "sad", "ravdess_song", "song")]


def test_fields_and_length_choose() -> None:
    assert len(select(ROWS, Selection())) == 14
    assert {one.channel for one in select(ROWS, Selection(channels=("speech",)))} == {"speech"}
    assert {one.corpus for one in select(ROWS, Selection(corpora=("ravdess_song",)))} == {"ravdess_song"}
    assert [one.emotion for one in select(ROWS, Selection(emotions=("happy",)))] == ["happy"] * 4
    assert min(one.duration_s for one in select(ROWS, Selection(min_duration_s=1.5))) == 1.5


def test_balancing_takes_as_many_of_each_as_the_rarest_has() -> None:
    chosen = select(ROWS, Selection(balance=True, seed=1))
    assert Counter(one.emotion for one in chosen) == {"sad": 4, "happy": 4}
    assert list(chosen) == [one for one in ROWS if one in chosen]
    assert chosen == select(ROWS, Selection(balance=True, seed=1))
    assert chosen != select(ROWS, Selection(balance=True, seed=2))


def test_nothing_left_is_said() -> None:
    with pytest.raises(ConfigError, match="no clip"):
        select(ROWS, Selection(corpora=("emodb",)))
    with pytest.raises(ConfigError, match="clip of calm"):
        select(ROWS, Selection(emotions=("sad", "calm")))


def test_the_config_file_can_say_it() -> None:
    settings = train_settings({"select": {"emotions": ["sad", "happy"], "balance": True, "min_duration_s": 0.8}})
    assert settings.select == Selection(emotions=("sad", "happy"), balance=True, min_duration_s=0.8)
    with pytest.raises(ConfigError, match=r"did you mean 'train\.select\.emotions'"):
        train_settings({"select": {"emotion": ["sad"]}})
