"""One picture of the dashboard: a pure function of a snapshot and a size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Group
from rich.style import Style
from rich.text import Text

from realtime_ser.sinks.dashboard.bars import emotion_bar, level_meter
from realtime_ser.sinks.dashboard.big_letters import big
from realtime_ser.sinks.dashboard.layout import fit, flow, stack, wrapped
from realtime_ser.sinks.dashboard.state import Snapshot
from realtime_ser.sinks.dashboard.strip import axis, columns, strip
from realtime_ser.sinks.dashboard.wording import greeting_in, model_in
from realtime_ser.sinks.palette import GOOD, LOST, SILENCE, UNSURE, WARN, Tint, tints
from realtime_ser.sinks.text import clock, percent
from realtime_ser.text import printable

_DIM = Style(dim=True)
_BOLD = Style(bold=True)
# Columns of level and speech state at the right of the big word; at 80 columns the longest emotion just fits beside them.
_ASIDE = 33
# At most so many lines of a notice, where everything else has room.
_NOTICE_ROWS = 2


def view(snapshot: Snapshot, width: int, height: int, *, ascii_only: bool = False, colourless: bool = False) -> Group:
    """Exactly ``height`` lines (at least 1) of at most ``width`` cells.

    Parameters
    ----------
    ascii_only : the terminal's encoding has no block characters
    colourless : letters carry what colours would
    """
    return Group(*picture(snapshot, width, height, ascii_only=ascii_only, colourless=colourless))


def picture(snapshot: Snapshot, width: int, height: int, *, ascii_only: bool = False, colourless: bool = False) -> list[Text]:
    """The lines of ``view``."""
    width, height = max(10, width), max(1, height)
    page = _Page(snapshot, width, ascii_only, colourless)
    sections = page.sections(height)
    if sum(map(len, sections.values())) > height:
        sections["notice"] = page.notice(1)
    lines = stack(sections, height, page.best())
    for line in lines:
        line.no_wrap, line.overflow = True, "crop"
        line.truncate(width, overflow="crop")
    return lines


class _Page:
    """The sections, top to bottom, for one width."""

    def __init__(self, snapshot: Snapshot, width: int, ascii_only: bool, colourless: bool) -> None:
        self.snapshot, self.width, self.ascii, self.colourless = snapshot, width, ascii_only, colourless
        self.margin = "  " if width >= 60 else ""
        self.room = width - 2 * len(self.margin)
        labels = snapshot.session.labels if snapshot.session is not None else ()
        self.labels = labels
        self.tints: Mapping[str, Tint] = tints(labels)
        # What was estimated before the microphone went away says nothing of now.
        self.estimate = snapshot.estimate if snapshot.lost is None else None
        self.rate = max(1, snapshot.session.sample_rate) if snapshot.session is not None else 1

    def sections(self, height: int) -> dict[str, list[Text]]:
        # Remaining rows become blank rows between the bars and height of the timeline.
        count = len(self.labels)
        tall = height >= 2 * count + 18
        rows = min(8, height - 2 * count - 14) if tall else 2 if height >= count + 17 else 1
        large = self.now_large() if height >= count + 12 and self.room >= 72 and not self.ascii else None
        return {
            "head": [self.head()],
            "greeting": [self.greeting()],
            "now": large or [self.now_small()],
            "level": [] if large else [self.line(("level ", _DIM)).append_text(self.level(self.room - 6))],
            "bars": self.bars(spaced=tall),
            "timeline": self.timeline(rows=rows),
            "samples": self.samples(),
            "model": [self.model()],
            "notice": self.notice(_NOTICE_ROWS),
            "footer": [self.footer()],
        }

    def line(self, *parts: str | tuple[str, Style]) -> Text:
        return Text.assemble(self.margin, *parts)

    def head(self) -> Text:
        session = self.snapshot.session
        if session is None:
            return self.line(("realtime-ser", _BOLD), ("  waiting for audio", _DIM))
        position = clock(self.snapshot.now_s)
        if session.duration_s is not None:
            position += f" / {clock(session.duration_s)}"
            share = self.snapshot.now_s / session.duration_s if session.duration_s > 0 else 1.0
            if self.room >= 70:
                full, rest = ("=", "-") if self.ascii else ("━", "─")
                done = min(12, max(0, round(12 * share)))
                position = f"{full * done}{rest * (12 - done)}  {position}"
        first = "realtime-ser" if session.channel is None else f"channel {session.channel}"
        name = fit(printable(session.source), self.room - 4 - len(first) - len(position))
        title = [(first, _BOLD), ("  ", Style()), (name, Style())]
        left = sum(cell_len(text) for text, _ in title)
        return self.line(*title, " " * max(1, self.room - left - len(position)), (position, _BOLD))

    def greeting(self) -> Text:
        session = self.snapshot.session
        if session is None:
            return Text()
        return self.line((greeting_in(self.room, session, self.snapshot.recording, self.snapshot.sent_to), _DIM))

    def word(self) -> tuple[str, Style, str, Text]:
        """The current label: word, style, confidence and remark."""
        estimate = self.estimate
        grey = Style(color=SILENCE, bold=True)
        if self.snapshot.lost is not None:
            return "no mic", Style(color=LOST, bold=True), "", Text("gone; waiting for its return", _DIM)
        if estimate is None:
            return "waiting", grey, "", Text(f"for the {'next' if self.snapshot.timeline else 'first'} window", _DIM)
        if estimate.state == "no_speech":
            return "silence", grey, "", Text("nobody speaks", _DIM)
        if estimate.state == "unsure":
            return "not sure", grey, "", Text("someone speaks, no emotion is sure", _DIM)
        tint = self.tints.get(estimate.label or "")
        style = Style(color=tint.colour if tint else UNSURE, bold=True)
        return printable(estimate.label or ""), style, percent(estimate.confidence), Text("speech", Style(color=GOOD))

    def now_large(self) -> list[Text] | None:
        """Three rows: the word in big letters, and in a place of their own at the right level and speech state."""
        word, style, sure, remark = self.word()
        rows = big(word)
        left = self.room - _ASIDE
        if rows is None or cell_len(rows[0]) + 7 > left:
            return None
        lines: list[Text] = []
        clipping = Text("CLIPPING: turn the input down", Style(color=LOST, bold=True))
        asides = (self.level(_ASIDE), remark, clipping if self.snapshot.peak_dbfs > -0.05 else Text())
        for index, (row, aside) in enumerate(zip(rows, asides, strict=True)):
            line = self.line((row, style), ("  " + sure if index == 1 else "", _BOLD))
            line.pad_right(max(0, len(self.margin) + left - line.cell_len))
            lines.append(line.append_text(aside))
        return lines

    def now_small(self) -> Text:
        word, style, sure, remark = self.word()
        line = self.line((word.upper(), style), "  ", (sure + "  " if sure else "", _BOLD)).append_text(remark)
        if self.snapshot.peak_dbfs > -0.05:
            line.append("  CLIPPING", Style(color=LOST, bold=True))
        return line

    def level(self, width: int) -> Text:
        shot = self.snapshot
        return level_meter(shot.rms_dbfs, shot.peak_dbfs, width, receiving=shot.receiving, ascii_only=self.ascii)

    def best(self) -> list[int]:
        """Places of the labels, the most probable first."""
        smoothed = self.estimate.smoothed if self.estimate is not None else ()
        return sorted(range(len(self.labels)), key=lambda at: -(_share(smoothed, at) or 0.0))

    def bars(self, *, spaced: bool) -> list[Text]:
        estimate = self.estimate
        names = [fit(printable(label), 14) for label in self.labels]
        widest = max([7, *map(cell_len, names)])
        length = max(4, self.room - widest - 9)
        lines: list[Text] = []
        for index, (label, name) in enumerate(zip(self.labels, names, strict=True)):
            smooth = _share(estimate.smoothed, index) if estimate is not None else None
            raw = _share(estimate.probs, index) if estimate is not None else None
            tint = self.tints[label]
            leads = estimate is not None and estimate.state == "speech" and label == estimate.label
            quiet = smooth is None
            text = self.line((tint.letter, Style(color=tint.colour, bold=True)), " ")
            text.append(set_cell_size(name, widest), _BOLD if leads else _DIM if quiet else Style())
            text.append(" ").append_text(emotion_bar(smooth or 0.0, raw, length, tint.colour, ascii_only=self.ascii))
            text.append(" " + ("    -" if smooth is None else f"{100 * smooth:3.0f} %"), _BOLD if leads else _DIM)
            lines += [text, Text()] if spaced else [text]
        return lines[:-1] if spaced else lines

    def timeline(self, *, rows: int) -> list[Text]:
        cells = columns(self.snapshot.timeline, self.snapshot.now_s, self.snapshot.timeline_s, self.room)
        lines = strip(cells, self.tints, rows, ascii_only=self.ascii, colourless=self.colourless)
        scale = axis(self.snapshot.timeline_s, self.room, ascii_only=self.ascii)
        return [self.line().append_text(line) for line in lines] + [self.line((scale, _DIM))]

    def samples(self) -> list[Text]:
        health, rate = self.snapshot.health, self.rate
        ordered = sorted(self.snapshot.latencies_ms)
        latency = "latency not measured"
        if ordered:
            latency = f"latency p50 {_quantile(ordered, 0.5):.1f} ms  p99 {_quantile(ordered, 0.99):.1f} ms"
        xruns = (f"xruns {health.xruns}", Style(color=WARN, bold=True) if health.xruns else _DIM)
        sums = [
            (f"captured {health.captured / rate:.1f} s", _DIM),
            (f"= classified {health.classified / rate:.1f}", _DIM),
            (f"+ gated {health.gated / rate:.1f}", _DIM),
            (f"+ dropped {health.dropped / rate:.1f}", Style(color=LOST, bold=True) if health.dropped else _DIM),
            (f"+ pending {health.pending / rate:.1f}", _DIM),
        ]
        first = flow([(latency, _DIM), (f"windows {health.windows}", _DIM), xruns], self.room, "   ", margin=self.margin)
        return first + flow(sums, self.room, " ", margin=self.margin)

    def model(self) -> Text:
        session = self.snapshot.session
        return Text() if session is None else self.line((model_in(self.room, session), _DIM))

    def notice(self, rows: int) -> list[Text]:
        if self.snapshot.lost is not None:
            style = Style(color="#ffffff", bgcolor=LOST, bold=True)
            texts = wrapped(f"! {printable(self.snapshot.lost)}", self.room - 2, rows)
            return [self.line((f" {text} ", style)) for text in texts]
        if self.snapshot.notice is None:
            return []
        kind, message = self.snapshot.notice
        style = Style(color=GOOD if kind == "device_back" else WARN, bold=True)
        return [self.line((text, style)) for text in wrapped(f"! {printable(message)}", self.room, rows)]

    def footer(self) -> Text:
        mark = "|" if self.ascii else "│"
        legend = f"{mark} in a bar: this window alone   x lost   ? not sure" if self.room >= 72 else ""
        return self.line((f"Ctrl-C ends{' ' * max(2, self.room - 11 - len(legend))}{legend}", _DIM))


def _share(values: Sequence[float], index: int) -> float | None:
    """``values[index]`` within [0, 1]; None when there is none."""
    if index >= len(values) or not math.isfinite(values[index]):
        return None
    return min(1.0, max(0.0, float(values[index])))


def _quantile(ordered: Sequence[float], at: float) -> float:
    """The nearest-rank quantile of sorted values."""
    return ordered[min(len(ordered) - 1, max(0, math.ceil(at * len(ordered)) - 1))]
