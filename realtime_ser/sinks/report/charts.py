"""The report's drawings: inline SVG, no script; ``<title>`` describes what is under the pointer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from realtime_ser.sinks.palette import LOST, SILENCE, UNSURE, Tint
from realtime_ser.sinks.report.data import Bin, Gathered
from realtime_ser.sinks.text import clock, percent
from realtime_ser.text import printable

# Drawing units: the picture is scaled to the page.
WIDTH, _LEFT = 1000, 46
_PLOT = WIDTH - _LEFT - 8
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_FLOOR_DB = -80.0


def timeline(data: Gathered, tints: Mapping[str, Tint]) -> str:
    """Coloured segments over time; grey where someone spoke without a clear emotion, red where audio was lost."""
    total = data.duration_s
    parts = [f'<rect class="lane" x="{_LEFT}" y="0" width="{_PLOT}" height="44" rx="3"/>']
    for begin, end, label, confidence in _stretches(data):
        x, width = _x(begin, total), max(0.6, _x(end, total) - _x(begin, total))
        tint = tints.get(label)
        name = "not sure" if label == "unsure" else printable(label)
        shown = f"{name} {percent(confidence)}, " if confidence is not None else f"{name}, "
        title = escape(f"{shown}{_when(begin)} to {_when(end)}")
        colour = tint.colour if tint else UNSURE
        parts.append(
            f'<rect x="{x:.1f}" y="4" width="{width:.1f}" height="36" fill="{colour}"{"" if tint else _FAINT}>'
            f"<title>{title}</title></rect>"
        )
        if tint and width > 14:
            parts.append(f'<text x="{x + 4:.1f}" y="27" fill="{tint.ink}" class="letter">{escape(tint.letter)}</text>')
    for begin, end in data.losses:
        x, width = _x(begin, total), max(1.5, _x(end, total) - _x(begin, total))
        title = escape(f"{end - begin:.2f} s lost at {_when(begin)}")
        parts.append(f'<rect x="{x:.1f}" y="0" width="{width:.1f}" height="44" fill="{LOST}"><title>{title}</title></rect>')
    return _svg(66, "Timeline of emotions", [*parts, _time_axis(total, 44)])


def probabilities(data: Gathered, tints: Mapping[str, Tint], points: int) -> str:
    """A line per label, broken where nobody speaks."""
    total, height = data.duration_s, 220
    parts = [_grid([(1.0, "100 %"), (0.75, "75"), (0.5, "50"), (0.25, "25"), (0.0, "0")], height)]
    bins = _thinned(data, points)
    for at, label in enumerate(data.session.labels):
        path: list[str] = []
        before: int | None = None
        for index, item in sorted(bins[1].items()):
            if not item.spoken or at >= len(item.smoothed):
                continue
            value = min(1.0, max(0.0, item.smoothed[at] / item.spoken))
            joined = before is not None and (index - before) * bins[0] <= max(2 * bins[0], 2.0)
            x = _x(min(total, (index + 0.5) * bins[0]), total)
            path.append(f"{'L' if joined else 'M'}{x:.1f} {8 + (height - 8) * (1 - value):.1f}")
            if not joined:
                # A lone point is seen only if it has some length.
                path.append("h0.8")
            before = index
        if path:
            name = escape(printable(label))
            parts.append(f'<path class="line" d="{"".join(path)}" stroke="{tints[label].colour}"><title>{name}</title></path>')
    return _svg(height + 22, "Smoothed probability of each emotion over time", [*parts, _time_axis(total, height)])


def level(data: Gathered, points: int) -> str:
    """RMS level over time."""
    total, height = data.duration_s, 90
    parts = [_grid([(1.0, "0 dB"), (0.75, "-20"), (0.5, "-40"), (0.25, "-60")], height)]
    step, bins = _thinned(data, points)
    run: list[tuple[float, float]] = []
    before: int | None = None
    for index, item in sorted(bins.items()):
        if before is not None and (index - before) * step > max(2 * step, 2.0):
            parts.append(_area(run, height))
            run = []
        shown = 1 - max(_FLOOR_DB, min(0.0, 10 * math.log10(max(1e-12, item.energy / item.windows)))) / _FLOOR_DB
        run += [(_x(index * step, total), shown), (_x(min(total, (index + 1) * step), total), shown)]
        before = index
    return _svg(height + 22, "Level over time", [*parts, _area(run, height), _time_axis(total, height)])


def latencies(data: Gathered) -> str:
    """Windows by latency; empty when none was measured."""
    classes = data.histogram()
    if not classes:
        return ""
    # Wide classes are drawn as low as they are wide, so that equal areas are equal numbers.
    height, most = 120, max(count / (end - begin) for begin, end, count in classes)
    high = classes[-1][1]
    scale = _PLOT / high
    parts = [_grid([(1.0, f"{most:.0f}/ms"), (0.0, "0")], height)]
    for begin, end, count in classes:
        tall = (height - 8) * count / (end - begin) / most
        title = escape(f"{begin:.1f} to {end:.1f} ms: {count} windows")
        parts.append(
            f'<rect class="column" x="{_LEFT + begin * scale:.1f}" y="{height - tall:.1f}" '
            f'width="{max(1.0, (end - begin) * scale - 0.7):.1f}" height="{tall:.1f}"><title>{title}</title></rect>'
        )
    for share in range(5):
        value = high * share / 4
        anchor = ("start", "middle", "middle", "middle", "end")[share]
        at = f'x="{_LEFT + value * scale:.1f}" y="{height + 15}"'
        parts.append(f'<text {at} text-anchor="{anchor}">{value:.4g} ms</text>')
    return _svg(height + 20, "Latency of the windows", parts)


def legend(tints: Mapping[str, Tint], *, states: bool) -> str:
    """What each colour means; ``states`` adds those that are no emotion."""
    entries = [(tint.colour, f"{tint.letter} {printable(label)}") for label, tint in tints.items()]
    entries += [(UNSURE, "not sure"), (SILENCE + "40", "nobody speaks"), (LOST, "lost audio")] if states else []
    marks = "".join(f'<span><i style="background:{colour}"></i>{escape(name)}</span>' for colour, name in entries)
    return f'<p class="legend">{marks}</p>'


_FAINT = ' fill-opacity="0.6"'


def _stretches(data: Gathered) -> list[tuple[float, float, str, float | None]]:
    if data.segments is not None:
        return [(item.start_s, item.end_s, item.label, item.confidence) for item in data.segments]
    # Too many to draw each: the verdict of most windows of each bin, neighbours joined.
    step = data.series.step_s
    runs: list[tuple[float, float, str, float | None]] = []
    for index, item in sorted(data.series.bins.items()):
        verdict = item.verdicts.most_common(1)[0][0]
        if verdict == "no_speech":
            continue
        begin, end = index * step, (index + 1) * step
        if runs and runs[-1][2] == verdict and abs(runs[-1][1] - begin) < step / 2:
            runs[-1] = (runs[-1][0], end, verdict, None)
        else:
            runs.append((begin, end, verdict, None))
    return runs


def _thinned(data: Gathered, points: int) -> tuple[float, dict[int, Bin]]:
    step, bins = data.series.step_s, data.series.bins
    group = 1 if not bins else max(1, math.ceil((max(bins) + 1) / points))
    if group == 1:
        return step, bins
    merged: dict[int, Bin] = {}
    for index in sorted(bins):
        merged.setdefault(index // group, Bin()).add(bins[index])
    return step * group, merged


def _area(run: Sequence[tuple[float, float]], height: int) -> str:
    if not run:
        return ""
    top = "".join(f"L{x:.1f} {8 + (height - 8) * (1 - shown):.1f}" for x, shown in run)
    return f'<path class="area" d="M{run[0][0]:.1f} {height}{top}L{run[-1][0]:.1f} {height}Z"/>'


def _x(seconds: float, total: float) -> float:
    return _LEFT + _PLOT * min(1.0, max(0.0, seconds / total))


def _when(seconds: float) -> str:
    return f"{clock(seconds)}{f'{seconds % 1:.2f}'[1:]}" if seconds % 1 < 0.995 else clock(seconds + 0.01)


def _grid(marks: Sequence[tuple[float, str]], height: int) -> str:
    lines = []
    for share, name in marks:
        y = 8 + (height - 8) * (1 - share)
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>')
    return "".join(lines)


def _time_axis(total: float, top: int) -> str:
    step = next((step for step in _STEPS_S if total / step <= 10), 86400 * math.ceil(total / 864000))
    parts = []
    for index in range(int(total / step + 1e-9) + 1):
        x = _x(index * step, total)
        anchor = "end" if x > WIDTH - 40 else "middle"
        parts.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="{top + 17}" text-anchor="{anchor}">{clock(index * step)}</text>')
    return "".join(parts)


def _svg(height: int, name: str, parts: Sequence[str]) -> str:
    picture = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'
    return f'<div class="chart">{picture}</div>'
