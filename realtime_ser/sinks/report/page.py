"""The report's page: one self-contained HTML file without script, so that nothing in a name can ever run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from realtime_ser.records import Session
from realtime_ser.sinks.palette import SILENCE, UNSURE, Tint, tints
from realtime_ser.sinks.report import charts
from realtime_ser.sinks.report.data import Gathered
from realtime_ser.sinks.text import STATES, clock, headline, number
from realtime_ser.text import printable

_CARD_ROWS = 120
_CELL = 300

_STYLE = """
:root{color-scheme:light dark;--ink:#1d2129;--soft:#667080;--line:#e3e6eb;--page:#f6f7f9;--card:#fff;--accent:#4580cc}
@media(prefers-color-scheme:dark){:root{--ink:#e4e7ec;--soft:#98a1b0;--line:#343a45;--page:#15181d;--card:#1e2228;--accent:#6ea3e6}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1060px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:21px;margin:48px 0 8px;overflow-wrap:anywhere}h3{font-size:15px;margin:0 0 10px}
.sub{color:var(--soft);margin:0 0 20px;overflow-wrap:anywhere}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin:14px 0}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:14px 24px}
.facts div{overflow-wrap:anywhere}.facts b{display:block;font-size:12px;font-weight:500;color:var(--soft)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(340px,100%),1fr));gap:0 14px}
.chart{overflow-x:auto}svg{display:block;width:100%;height:auto}svg text{font-size:12px}
svg text:not(.letter){fill:var(--soft)}svg .letter{font-weight:700}
.lane{fill:var(--line);fill-opacity:.55}.grid{stroke:var(--line)}.tick{stroke:var(--soft)}
.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.area{fill:var(--accent);fill-opacity:.35;stroke:var(--accent)}.column{fill:var(--accent)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:10px 0 0;color:var(--soft);font-size:13px}
.legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px;vertical-align:-1px}
.bars{display:grid;grid-template-columns:max-content 1fr max-content;gap:7px 12px;align-items:center}
.bars span{overflow-wrap:anywhere}.bars .track{background:var(--line);border-radius:4px;height:14px;overflow:hidden}
.bars .track i{display:block;height:100%;border-radius:4px}.bars .n{text-align:right;font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:5px 12px 5px 0;border-top:1px solid var(--line);vertical-align:top}
td:last-child,th:last-child{padding-right:0}
th{font-weight:500;color:var(--soft)}tr:first-child>*{border-top:0}td{overflow-wrap:anywhere}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.bad{color:#d1242f;font-weight:600}
.total td{border-top:2px solid var(--line);font-weight:600}.soft{color:var(--soft)}
.card{table-layout:fixed}.card th{width:40%;overflow-wrap:anywhere}
.log{width:auto}.log td,.log th{padding-right:24px}p:last-child{margin-bottom:0}
summary{cursor:pointer;font-weight:600}footer{color:var(--soft);font-size:13px;margin-top:32px}
@media screen and (max-width:640px){
main{padding:20px 12px 40px}section{padding:14px}
/* Scaled to a phone a chart's text is 3 px high. It keeps its size, its box scrolls, and a shade shows that there is more. */
svg{min-width:840px}.chart{background:linear-gradient(to left,var(--card) 40%,transparent) 100%/50px 100% no-repeat local,
linear-gradient(to left,var(--line),transparent) 100%/18px 100% no-repeat scroll}
}
@media print{section{break-inside:avoid}body{background:#fff}}
"""

_LIMITS = """<section><h3>What these figures mean, and what they do not</h3>
<p>The model classifies how something is said, not what. It was trained on acted speech, and its score is for unseen
speakers of such speech; on other voices, rooms, languages and feelings that are not acted it is right less often. A
probability is the model's own confidence, not a measurement of what a person feels. UAR is the mean of the recalls of all
classes: guessing gives one over their number.</p>
<p><b>Do not use this to decide about people</b>: not for hiring, grading, policing, credit, health or care. Tell people that
their speech is analysed, and ask them first.</p></section>"""


def page(parts: Sequence[str], name: str, generator: str, *, card: str = "") -> str:
    """The whole file from its finished streams, what the figures mean, and the model's card below, which is long."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<title>{escape(name)}</title><style>{_STYLE}</style></head><body><main>"
        f"{''.join(parts)}{_LIMITS}{card}"
        f"<footer>{escape(generator)}. This file loads nothing and sends nothing.</footer></main></body></html>\n"
    )


def heading(sessions: int, seconds: float, source: str, *, channels: int = 0) -> str:
    """The top of the page; ``channels`` is how many of the source are streams of their own."""
    if sessions == 1:
        kept = f", {channels} channels by themselves" if channels else ""
        return f"<h1>{escape(printable(source))}</h1><p class='sub'>Emotion in speech over {_span(seconds)}{kept}</p>"
    return f"<h1>Emotion in speech</h1><p class='sub'>{sessions} recordings, {_span(seconds)} in all</p>"


def overview(rows: Iterable[tuple[str, float, Mapping[str, float], float]], more: int) -> str:
    """One row a stream: source, duration, seconds by label, seconds lost."""
    lines = []
    for source, duration, by_label, lost in rows:
        ranked = sorted((item for item in by_label.items() if item[0] not in STATES), key=lambda item: -item[1])
        first = [item for item in ranked[:3] if item[1] >= 0.05]
        top = ", ".join(f"{printable(label)} {seconds:.1f} s" for label, seconds in first) or "no emotion"
        lines.append(
            f"<tr><td>{_short(source)}</td><td class='n'>{_span(duration)}</td><td>{_short(top)}</td>"
            f"<td class='n{' bad' if lost else ''}'>{lost:.2f} s</td></tr>"
        )
    head = "<tr><th>source</th><th class='n'>length</th><th>most frequent label</th><th class='n'>lost</th></tr>"
    rest = f"<p class='soft'>and {more} more</p>" if more else ""
    return f"<section><h3>Recordings</h3><table>{head}{''.join(lines)}</table>{rest}</section>"


def stream(data: Gathered, *, points: int) -> str:
    """One stream: facts, timeline, seconds, probabilities, level, latency, losses and notices.

    Parameters
    ----------
    points : how many points a line over time may have
    """
    colours = tints(data.session.labels)
    lines = charts.probabilities(data, colours, points) + charts.legend(colours, states=False)
    latency = (charts.latencies(data) + _latency_line(data)) or _NOT_MEASURED
    pair = _box("Seconds", _seconds(data, colours)) + _box("Where every sample went", _losses(data))
    parts = [
        _facts(data),
        _box("Timeline", charts.timeline(data, colours) + charts.legend(colours, states=True)),
        f'<div class="pair">{pair}</div>',
        _box("Smoothed probability over time", lines),
        _box("Level (RMS) over time", charts.level(data, points)),
        _box("Latency, from the last sample's capture to the estimate", latency),
        _box("What happened on the way", _notices(data)) if data.notices else "",
    ]
    return "".join(parts)


def title(source: str) -> str:
    """The name of a stream above its part of the page."""
    return f"<h2>{escape(printable(source))}</h2>"


_NOT_MEASURED = "<p class='soft'>Not measured: the audio did not arrive in real time.</p>"


def _facts(data: Gathered) -> str:
    session = data.session
    score = headline(session.card)
    facts = [
        ("Model", session.model),
        ("Its score", score or "not on its card"),
        ("Started", session.started_at.replace("T", " ", 1)),
        ("Length", _span(data.duration_s) + ("" if data.summary is not None else " (ended without a summary)")),
        ("Windows", f"{data.health.windows} of {session.window_s:g} s, one each {session.hop_s:g} s"),
        ("Segments", str(data.segment_count)),
        ("Sample rate", f"{session.sample_rate} Hz" + (f" (source {session.source_rate} Hz)" if session.source_rate else "")),
        ("Software", f"realtime-ser {session.version}"),
    ]
    cells = "".join(f"<div><b>{escape(name)}</b>{_short(value)}</div>" for name, value in facts)
    return f'<section><div class="facts">{cells}</div></section>'


def _seconds(data: Gathered, colours: Mapping[str, Tint]) -> str:
    by_label = data.summary.seconds_by_label if data.summary is not None else {}
    shown = {label: float(by_label.get(label, 0.0)) for label in data.session.labels}
    shown |= {label: float(seconds) for label, seconds in by_label.items() if label not in shown}
    most = max([1e-9, *shown.values()])
    rows = []
    ranked = sorted(shown.items(), key=lambda item: (item[0] in STATES, -item[1]))
    for label, seconds in ranked:
        colour = colours[label].colour if label in colours else SILENCE if label == "no_speech" else UNSURE
        name = STATES.get(label, printable(label))
        rows.append(
            f'<span>{escape(name)}</span><div class="track"><i style="width:{100 * seconds / most:.1f}%;background:{colour}">'
            f'</i></div><span class="n">{seconds:.1f} s</span>'
        )
    return f'<div class="bars">{"".join(rows)}</div>'


def _losses(data: Gathered) -> str:
    health, rate = data.health, max(1, data.session.sample_rate)
    rows = [
        ("classified", health.classified, "given an emotion, or speech without one"),
        ("gated", health.gated, "nobody spoke"),
        ("dropped", health.dropped, "lost before it was processed"),
        ("pending", health.pending, "shorter than a hop, at the end"),
    ]
    lines = [
        f"<tr><td>{name}<br><span class='soft'>{why}</span></td>"
        f"<td class='n{' bad' if name == 'dropped' and count else ''}'>{count:,}</td>"
        f"<td class='n'>{count / rate:.2f} s</td></tr>"
        for name, count, why in rows
    ]
    total = sum(count for _, count, _ in rows)
    right = total == health.captured
    verdict = "the sum is right" if right else f"<span class='bad'>the parts sum to {total:,}</span>"
    lines.append(
        f"<tr class='total'><td>captured<br><span class='soft'>{verdict}</span></td><td class='n'>{health.captured:,}</td>"
        f"<td class='n'>{health.captured / rate:.2f} s</td></tr>"
    )
    xruns = f"<p class='soft'>Overflow reports from the audio system: {health.xruns}</p>"
    return f"<table><tr><th></th><th class='n'>samples</th><th class='n'>time</th></tr>{''.join(lines)}</table>{xruns}"


def _latency_line(data: Gathered) -> str:
    measured = data.summary.latency_ms if data.summary is not None else {}
    shown = [(key, number(measured.get(key), 2)) for key in ("p50", "p95", "p99", "max")]
    text = ", ".join(f"{key} {value} ms" for key, value in shown if value is not None)
    return f"<p class='soft'>{text}</p>" if text else ""


def _notices(data: Gathered) -> str:
    rows = "".join(
        f"<tr><td>{clock(item.at_s)}</td><th>{_short(item.kind)}</th><td>{_short(item.message)}</td></tr>"
        for item in data.notices
    )
    more = data.notice_count - len(data.notices)
    return f"<table class='log'>{rows}</table>" + (f"<p class='soft'>and {more} more</p>" if more else "")


def card(session: Session) -> str:
    """The card of the session's model."""
    if not session.card:
        return ""
    rows: list[tuple[str, str]] = []
    _flatten("", session.card, rows)
    lines = "".join(f"<tr><th>{_short(name)}</th><td>{_short(value)}</td></tr>" for name, value in rows[:_CARD_ROWS])
    more = f"<p class='soft'>and {len(rows) - _CARD_ROWS} more lines in the card's file</p>" if len(rows) > _CARD_ROWS else ""
    return f"<section><details><summary>The model's card</summary><table class='card'>{lines}</table>{more}</details></section>"


def _flatten(name: str, value: Any, rows: list[tuple[str, str]]) -> None:
    if len(rows) > 10 * _CARD_ROWS:
        return
    if isinstance(value, Mapping) and value and name.count(".") < 4:
        for key, item in value.items():
            _flatten(f"{name}.{key}" if name else str(key), item, rows)
    elif isinstance(value, list | tuple) and all(not isinstance(item, Mapping | list | tuple) for item in value):
        rows.append((name, ", ".join(map(str, value[:40])) + (" …" if len(value) > 40 else "")))
    else:
        rows.append((name, str(value)))


def _box(title: str, body: str) -> str:
    return f"<section><h3>{title}</h3>{body}</section>"


def _short(text: str) -> str:
    text = printable(str(text))
    return escape(text if len(text) <= _CELL else text[: _CELL - 1] + "…")


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds + 0.5)
