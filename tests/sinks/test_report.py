"""The page is whole or absent, self-contained, bounded in size and harmless."""

from __future__ import annotations

import re
import stat
import tracemalloc
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from realtime_ser.errors import SinkError
from realtime_ser.records import Estimate, Health, Segment, Session, Summary
from realtime_ser.sinks.report.data import Gathered
from realtime_ser.sinks.report.sink import ReportSink

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Collects tags and text, and sees that every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def report(path, records) -> str:
    sink = ReportSink(path)
    for record in records:
        sink.write(record)
    sink.close()
    sink.close()
    return path.read_text("utf-8")


def test_the_page_tells_the_whole_run(tmp_path, stream):
    path = tmp_path / "out.html"
    page = Reader(
        report(path, stream(64, card={"headline": "69.1 % UAR", "scores": {"per_class": {"sad": 0.5}}, "licence": "CC"}))
    )
    assert page.open == []
    for expected in (
        "talk.wav", "cnn", "69.1 % UAR", "2026-01-01 00:00:00+00:00", "64 of 3 s", "angry 60 %, 0:00.10 to 0:04.10",
        "0.10 s lost at 0:02.50", "192,000", "64,000", "1,600", "257,600", "the sum is right", "device_lost",
        "the device is gone",
        "p50 12.0 ms, p95 15.0 ms, p99 16.0 ms", "scores.per_class.sad", "Do not use this to decide about people",
        "acted speech",
        "windows", "nobody speaks",
    ):  # fmt: skip
        assert expected in page.text, expected
    assert sum(tag == "svg" for tag, _ in page.tags) == 4
    assert sum(tag == "path" and attributes.get("class") == "line" for tag, attributes in page.tags) == 8
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["out.html"]


def test_a_wrong_sum_is_not_hidden(tmp_path, stream):
    records = stream(8)
    summary = records[-1]
    assert isinstance(summary, Summary)
    records[-1] = replace(summary, health=replace(summary.health, captured=summary.health.captured + 7))
    assert f"the parts sum to {summary.health.captured:,}" in Reader(report(tmp_path / "o.html", records)).text


def test_nothing_is_loaded_and_nothing_runs(tmp_path, stream):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&</title></style></svg>\x1b[31m\u202e\udcff"
    records = stream(64, source=evil, labels=(evil, "b"), message=evil, card={"headline": evil, evil: {evil: [evil]}})
    raw = report(tmp_path / "o.html", records)
    page = Reader(raw)
    assert {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe", "object", "form", "a"} == set()
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "href")]
    assert any(
        attributes.get("http-equiv") == "Content-Security-Policy"
        and attributes.get("content") == "default-src 'none'; style-src 'unsafe-inline'"
        for _, attributes in page.tags
    )
    assert not re.search(r"https?:|url\(|@import", raw)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", raw)
    assert "<script>alert(1)</script>" in page.text


def test_several_recordings_get_an_overview(tmp_path, stream):
    page = Reader(report(tmp_path / "o.html", [*stream(16, source="first.wav"), *stream(32, source="second.wav")]))
    assert "2 recordings, 12.2 s in all" in page.text
    assert sum(tag == "h2" for tag, _ in page.tags) == 2
    assert page.text.count("The model's card") == 1


def test_a_stream_without_a_summary_is_still_told(tmp_path, stream):
    text = Reader(report(tmp_path / "o.html", stream(64)[:-1])).text
    assert "(ended without a summary)" in text
    assert "the sum is right" in text


def test_a_run_that_never_began_leaves_an_earlier_page(tmp_path):
    (tmp_path / "o.html").write_text("worth keeping")
    assert report(tmp_path / "o.html", []) == "worth keeping"
    ReportSink(tmp_path / "new.html").close()
    assert not (tmp_path / "new.html").exists()


@pytest.mark.slow
def test_three_hours_stay_small(tmp_path, stream):
    labels = tuple("abcdefgh")
    session = Session("0", "m", labels, 16000, 3.0, 0.25, "long.wav", "now", {}, 16000, 10800.0)
    path = tmp_path / "o.html"
    sink = ReportSink(path)
    sink.write(session)
    tracemalloc.start()
    for index in range(1, 43_201):
        end, label = 4000 * index, labels[index // 3 % 8]
        values = tuple(0.3 if name == label else 0.1 for name in labels)
        sink.write(Estimate(0, end, 4000, 16000, "speech", label, 0.3, labels, values, values, 1.0, -20.0, 100, None, 0.02))
        if index % 3 == 0:
            sink.write(Segment(end - 12000, end, 16000, label, 0.3))
        if index == 10_000:
            early = tracemalloc.get_traced_memory()[0]
    late = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    sink.write(Summary(Health(), 16000, {}, {}))
    sink.close()
    assert late - early < 200_000
    assert path.stat().st_size < 500_000
    assert "3:00:00" in path.read_text()


def test_a_thousand_recordings_stay_small(tmp_path, stream):
    path = tmp_path / "o.html"
    sink = ReportSink(path)
    for index in range(1100):
        for record in stream(4, source=f"{index}.wav") if index < 60 else stream(1, source=f"{index}.wav"):
            sink.write(record)
    sink.close()
    assert path.stat().st_size < 2_000_000
    assert "and 100 more" in path.read_text()


def test_halving_keeps_every_window(stream):
    labels = ("a", "b")
    data = Gathered(Session("0", "m", labels, 16000, 3.0, 0.25, "x", "now"))
    for index in range(1, 5001):
        data.add(Estimate(0, 4000 * index, 4000, 16000, "speech", "a", 0.5, labels, (0.5, 0.5), (0.25, 0.75), 1.0, -10.0))
    bins = data.series.bins
    assert len(bins) <= 600
    assert sum(item.windows for item in bins.values()) == 5000
    assert all(item.smoothed[1] / item.spoken == pytest.approx(0.75) for item in bins.values())
    assert max(bins) * data.series.step_s == pytest.approx(1250, abs=2 * data.series.step_s)


def test_a_full_disk_leaves_the_old_page(small_disk, stream):
    path = small_disk / "out.html"
    path.write_text("the old page")
    sink = ReportSink(path)
    for record in stream(64):
        sink.write(record)
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(b"x" * 1_000_000)
    with pytest.raises(SinkError, match="No space left on device; free some space"):
        sink.close()
    assert path.read_text() == "the old page"
    assert {item.name for item in small_disk.iterdir()} == {"out.html", "filler"}


def test_a_bad_place_is_said_before_the_run(tmp_path):
    with pytest.raises(SinkError, match="create its folder first"):
        ReportSink(tmp_path / "none" / "o.html")
    with pytest.raises(SinkError, match="name a file, not a folder"):
        ReportSink(tmp_path)


def test_a_device_is_written_to_and_never_replaced(stream):
    sink = ReportSink("/dev/full")
    sink.write(stream(4)[0])
    with pytest.raises(SinkError, match="No space left"):
        sink.close()
    report(Path("/dev/null"), stream(4))
    assert Path("/dev/null").is_char_device()


def test_through_a_link_the_target_changes_and_the_link_stays(tmp_path, stream):
    (tmp_path / "real.html").write_text("old")
    (tmp_path / "link.html").symlink_to("real.html")
    report(tmp_path / "link.html", stream(4))
    assert (tmp_path / "link.html").is_symlink()
    assert "talk.wav" in (tmp_path / "real.html").read_text()
