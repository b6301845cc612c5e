"""The error tree as scripts rely on it."""

from __future__ import annotations

import pytest

from realtime_ser.errors import ConfigError, ModelError, SerError, SinkError, SourceError


@pytest.mark.parametrize(("error", "code"), [(ConfigError, 2), (SourceError, 1), (ModelError, 1), (SinkError, 1)])
def test_every_error_is_a_ser_error_with_its_exit_code(error: type[SerError], code: int) -> None:
    assert issubclass(error, SerError)
    with pytest.raises(SerError, match="what, where") as caught:
        raise error("what, where")
    assert caught.value.exit_code == code


def test_a_message_stays_one_harmless_line_whatever_it_quotes() -> None:
    hostile = "a\nb\r\x1b[31mred\x00 \udcff \u202eevil \u2028 ünïcödé 日本 …"
    for error in (ConfigError(hostile), SinkError(hostile), ModelError(hostile), SourceError(hostile)):
        shown = str(error)
        assert shown.isprintable()
        shown.encode("utf-8")
        assert shown.startswith("a\\nb\\r\\x1b[31mred\\x00")
        assert shown.endswith("ünïcödé 日本 …")


def test_no_error_is_another() -> None:
    """An ``except`` for one must not swallow another."""
    kinds = (ConfigError, SourceError, ModelError, SinkError)
    assert [[issubclass(a, b) for b in kinds] for a in kinds] == [[a is b for b in kinds] for a in kinds]


def test_a_reader_that_left_is_told_from_a_full_disk() -> None:
    assert SinkError("pipe", closed_by_reader=True).closed_by_reader
    assert not SinkError("disk full").closed_by_reader
