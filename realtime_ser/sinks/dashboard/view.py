"""One picture of the dashboard: a pure function of a snapshot and a size."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Group
from rich.style import Style
from rich.text import Text

from realtime_ser.sinks.dashboard.bars import emotion_bar, level_meter
from realtime_ser.sinks.dashboard.big_letters import big
from realtime_ser.sinks.dashboard.state import Snapshot
from realtime_ser.sinks.dashboard.strip import axis, columns, strip
from realtime_ser.sinks.palette import GOOD, LOST, SILENCE, UNSURE, WARN, Tint, tints
from realtime_ser.sinks.text import clock, greeting, headline, percent
from realtime_ser.text import printable

_DIM = Style(dim=True)
_BOLD = Style(bold=True)
# Columns of level and speech state at the right of the big word; at 80 columns the longest emotion just fits beside them.
_ASIDE = 33
# What makes the headline of a shipped card fit 80 columns, in turn, with both of its figures.
_SHORTER = ((re.compile(" once the voice is known$"), " voice known"), (re.compile(r"(people never met) \(\w+\)"), r"\1"))
# Priority of the sections when rows are few; higher numbers are dropped first.
_ORDER = {
    name: at
    for at, name in enumerate(("notice", "now", "bars", "footer", "timeline", "head", "level", "samples", "greeting", "model"))
}


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
    lines = _stack(sections, height)
    for line in lines:
        line.no_wrap, line.overflow = True, "crop"
        line.truncate(width, overflow="crop")
    return lines


def _stack(sections: dict[str, list[Text]], height: int) -> list[Text]:
    """Drop what does not fit, least important first; insert the remaining rows as blank ones between the sections."""
    kept = {name: list(lines) for name, lines in sections.items() if lines}
    for name in sorted(kept, key=lambda item: -_ORDER[item]):
        excess = sum(map(len, kept.values())) - height
        if excess <= 0:
            break
        if name == "bars":
            kept[name] = kept[name][: max(1, len(kept[name]) - excess)]
        elif len(kept) > 1:
            del kept[name]
    # Insert blank rows in this order.
    spare = height - sum(map(len, kept.values()))
    names = list(kept)
    gaps = dict.fromkeys(names, 0)
    wishes = ["now", "bars", "timeline", "samples", "level", "head", "notice"]
    for name in [name for name in wishes if name in kept and name != names[0]]:
        if spare > 0:
            gaps[name], spare = 1, spare - 1
    lines: list[Text] = []
    for name in names:
        if name == names[-1]:
            # Put the footer on the last row.
            lines += [Text() for _ in range(spare)]
        lines += [Text() for _ in range(gaps[name])]
        lines += kept[name]
    return lines[:height]


class _Page:
    """The sections, top to bottom, for one width."""

    def __init__(self, snapshot: Snapshot, width: int, ascii_only: bool, colourless: bool) -> None:
        self.snapshot, self.width, self.ascii, self.colourless = snapshot, width, ascii_only, colourless
        self.margin = "  " if width >= 60 else ""
        self.room = width - 2 * len(self.margin)
        labels = snapshot.session.labels if snapshot.session is not None else ()
        self.labels = labels
        self.tints: Mapping[str, Tint] = tints(labels)
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
            "notice": self.notice(),
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
        text = greeting(session, self.snapshot.recording, self.snapshot.sent_to)
        if cell_len(text) > self.room:
            # Keep the privacy line rather than the name, which is also shown above.
            text = f"{text.split()[0]}{text[text.rindex('; audio') :]}"
        return self.line((fit(text, self.room), _DIM))

    def word(self) -> tuple[str, Style, str, Text]:
        """The current label: word, style, confidence and remark."""
        estimate = self.snapshot.estimate
        grey = Style(color=SILENCE, bold=True)
        if estimate is None:
            return "waiting", grey, "", Text("for the first window", _DIM)
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

    def bars(self, *, spaced: bool) -> list[Text]:
        estimate = self.snapshot.estimate
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
        parts = [f"{name} {count / rate:.1f}" for name, count in (("classified", health.classified), ("gated", health.gated))]
        dropped = (f"dropped {health.dropped / rate:.1f}", Style(color=LOST, bold=True) if health.dropped else _DIM)
        captured = f"captured {health.captured / rate:.1f} s = {' + '.join(parts)}"
        sums = [self.line((captured + " + ", _DIM), dropped, (f" + pending {health.pending / rate:.1f}", _DIM))]
        if sums[0].cell_len > self.width:
            rest = self.line(("  + ", _DIM), dropped, (f" + pending {health.pending / rate:.1f}", _DIM))
            sums = [self.line((captured, _DIM)), rest]
        ordered = sorted(self.snapshot.latencies_ms)
        latency = "not measured"
        if ordered:
            latency = f"p50 {_quantile(ordered, 0.5):.1f} ms  p99 {_quantile(ordered, 0.99):.1f} ms"
        xruns = (f"xruns {health.xruns}", Style(color=WARN, bold=True) if health.xruns else _DIM)
        return [self.line((f"latency {latency}   windows {health.windows}   ", _DIM), xruns), *sums]

    def model(self) -> Text:
        session = self.snapshot.session
        if session is None:
            return Text()
        score = headline(session.card)
        text = f"model {printable(session.model)}" + (f": {score}" if score else "")
        for long, short in _SHORTER:
            if cell_len(text) > self.room:
                text = long.sub(short, text)
        return self.line((fit(text, self.room), _DIM))

    def notice(self) -> list[Text]:
        if self.snapshot.lost is not None:
            text = f" ! {printable(self.snapshot.lost)} "
            return [self.line((fit(text, self.room), Style(color="#ffffff", bgcolor=LOST, bold=True)))]
        if self.snapshot.notice is None:
            return []
        kind, message = self.snapshot.notice
        colour = GOOD if kind == "device_back" else WARN
        return [self.line((fit(f"! {printable(message)}", self.room), Style(color=colour, bold=True)))]

    def footer(self) -> Text:
        mark = "|" if self.ascii else "│"
        legend = f"{mark} in a bar: this window alone   x lost   ? not sure" if self.room >= 72 else ""
        return self.line((f"Ctrl-C ends{' ' * max(2, self.room - 11 - len(legend))}{legend}", _DIM))


def fit(text: str, room: int) -> str:
    """The text in at most ``room`` cells, its end replaced by an ellipsis."""
    if cell_len(text) <= room:
        return text
    return set_cell_size(text, max(0, room - 1)).rstrip() + "…" if room > 0 else ""


def _share(values: Sequence[float], index: int) -> float | None:
    """``values[index]`` within [0, 1]; None when there is none."""
    if index >= len(values) or not math.isfinite(values[index]):
        return None
    return min(1.0, max(0.0, float(values[index])))


def _quantile(ordered: Sequence[float], at: float) -> float:
    """The nearest-rank quantile of sorted values."""
    return ordered[min(len(ordered) - 1, max(0, math.ceil(at * len(ordered)) - 1))]
