"""What the short commands print: tables for people, JSON for programs."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from realtime_ser.sinks.text import clock, percent
from realtime_ser.text import printable

if TYPE_CHECKING:
    from realtime_ser.audio.devices import Device
    from realtime_ser.cli.checks import Check
    from realtime_ser.cli.settings import Setting
    from realtime_ser.model.card import Card
    from realtime_ser.profiles.folder import Found


# Fewer columns than this leave a table of devices no room for their names.
_TABLE_COLUMNS = 108  # in fewer, a table of devices would be cut


def show_json(value: Any, target: str) -> None:
    """Print a value as JSON, or write it to a file, whole or not at all; "-" is standard output.

    Raises
    ------
    SinkError : the file cannot be written
    """
    if target == "-":
        print(json.dumps(value, indent=2))
        return
    from realtime_ser.bench import write_figures

    write_figures(value, target)


def show_devices(devices: Sequence[Device], console: Console | None = None) -> None:
    """Print the input devices; the default one is marked with an asterisk. On a narrow terminal they are a list."""
    console = console or _console()
    if console.width < _TABLE_COLUMNS:
        for device in devices:
            mark = "*" if device.is_default else " "
            console.print(f"{mark} {device.index}  [bold]{_text(device.name)}[/]", overflow="fold")
            rates = " ".join(f"{rate / 1000:g}" for rate in device.rates)
            rest = f"{_text(device.host_api)}, {device.channels} channels, {device.rate} Hz"
            console.print(Padding(f"{rest}; rates (kHz): {rates}" if rates else rest, (0, 0, 0, 5)))
        console.print("* default")
        return
    table = Table(title="Input devices", title_justify="left", caption="* default", caption_justify="left")
    for heading in ("", "Index", "Name", "Host API", "Channels", "Default rate", "Rates (kHz)"):
        table.add_column(heading, justify="right" if heading in ("Index", "Channels", "Default rate") else "left")
    table.columns[2].min_width, table.columns[2].overflow = 20, "fold"
    for device in devices:
        table.add_row(
            "*" if device.is_default else "",
            str(device.index),
            _text(device.name),
            _text(device.host_api),
            str(device.channels),
            f"{device.rate}",
            " ".join(f"{rate / 1000:g}" for rate in device.rates),
        )
    console.print(table)


def show_models(models: Sequence[tuple[Card, float | None]], console: Console | None = None) -> None:
    """Print the shipped bundles with their scores on people never met, cost, recipe, size and licence.

    Parameters
    ----------
    models : card, and milliseconds of a hop on this machine, None where that was not measured
    """
    from realtime_ser.cli.honest import better_fits, cost_text, score_command, score_text
    from realtime_ser.config import Config

    console, usual = console or _console(), Config()
    for card, cost in models:
        size = card.onnx_path.stat().st_size / 1000
        parameters = card.raw.get("parameters")
        table = Table(box=None, show_header=False, padding=(0, 1), title=f"[bold]{_text(card.name)}", title_justify="left")
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        if honest := score_text(card.raw):
            table.add_row("strangers", _text(honest))
        table.add_row("score", _text(card.headline))
        table.add_row("measured by", _text(score_command(card.raw)))
        if cost is not None:
            table.add_row("a hop here", _text(cost_text(cost, usual.stream.hop_s)))
        table.add_row("input", f"{card.spec.recipe}, {card.spec.sample_rate} Hz, {card.min_window_s:g} to {card.window_s:g} s")
        if card.vote is not None:
            table.add_row("vote", _text(f"{card.vote.model} has {card.vote.share:.0%} of the answer; stream.vote=false: none"))
        count = f"{parameters:,} parameters, " if isinstance(parameters, int) else ""
        table.add_row("size", f"{count}{size:,.0f} kB")
        table.add_row("labels", _text(", ".join(card.labels)))
        table.add_row("licence", _text(card.licence))
        table.add_row("file", _text(str(card.onnx_path)))
        console.print(table)
        console.print()
    if text := better_fits([(card.raw, cost) for card, cost in models], usual.model, usual.stream.hop_s):
        console.print(_text(text), highlight=False)


def show_settings(settings: Sequence[Setting], console: Console | None = None) -> None:
    """Print settings as ``--set`` takes them, each with where it comes from; what is no default stands out."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("Setting", "Value", "From"):
        table.add_column(heading, overflow="fold")
    for setting in settings:
        value = (
            "null"
            if setting.value is None
            else str(setting.value).lower()
            if isinstance(setting.value, bool)
            else setting.value
        )
        changed = setting.source != "default"
        table.add_row(setting.key, _text(str(value)), _text(setting.source), style="bold" if changed else "")
    (console or _console()).print(table)


def show_profiles(profiles: Sequence[Found], folder: Path, console: Console | None = None) -> None:
    """Print one line for each remembered voice and model."""
    console = console or _console()
    if not profiles:
        console.print(f"no profile in {_text(str(folder))} yet; 'monitor --profile NAME' keeps one", soft_wrap=True)
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("Profile", "Model", "Speech", "From", "To", ""):
        table.add_column(heading, overflow="fold")
    for each in profiles:
        made = each.profile
        if made is None:
            table.add_row(_text(each.name), "", "", "", "", _text(each.fault))
            continue
        days = (made.since[:10], made.updated[:10])
        table.add_row(_text(each.name), _text(made.voice.model), clock(made.speech_s), *map(_text, days), "")
    console.print(table)


def show_profile(files: Sequence[Found], console: Console | None = None) -> None:
    """Print what one profile holds, model by model."""
    console = console or _console()
    for each in files:
        table = Table(box=None, show_header=False, padding=(0, 1), title=f"[bold]{_text(each.name)}", title_justify="left")
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        made = each.profile
        if made is None:
            table.add_row("fault", _text(each.fault))
        else:
            table.add_row("model", _text(made.voice.model))
            table.add_row("speech", f"{clock(made.speech_s)} that the averages were taken from; the newest count most")
            table.add_row("first run", _text(made.since))
            table.add_row("last run", _text(made.updated))
            table.add_row("holds", f"{len(made.voice.numbers):,} averages of features; no audio")
        table.add_row("file", _text(str(each.path)))
        console.print(table)


def show_check(check: Check, console: Console | None = None) -> None:
    """Print one line of ``doctor`` and, if it is not well, what to do."""
    console = console or _console()
    soft = not console.is_terminal  # a terminal would break lines inside words
    mark, style = {True: ("ok  ", "green"), None: ("note", "yellow"), False: ("FAIL", "bold red")}[check.ok]
    console.print(f"[{style}]{mark}[/] {_text(check.name)}: {_text(check.message)}", soft_wrap=soft, highlight=False)
    if check.ok is not True and check.remedy:
        console.print(f"     -> {_text(check.remedy)}", soft_wrap=soft, highlight=False)


def show_bench(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the benchmark's figures: the stages of a hop, what follows from them, and the bars with what fell short."""
    console = console or _console()
    machine = figures["machine"]
    load = machine["load"]
    busy = "" if load is None else f", load {load:.1f} while measuring"
    console.print(f"[bold]{_text(figures['model'])}[/] on {machine['cores']} cores{busy}; audio: {_text(figures['audio'])}")
    stages = Table(title="One hop, as from a 48 kHz microphone", title_justify="left")
    stages.add_column(f"{figures['hop_s'] * 1000:g} ms of new audio, {figures['window_s']:.3g} s window")
    for heading in _PERCENTILES:
        stages.add_column(f"{heading} ms", justify="right")
    for name, row in figures["stages"].items():
        label = f"  {name.removeprefix('gate_')}" if name.startswith("gate_") else name
        stages.add_row(label, *(f"{row[f'{key}_ms']:.3f}" for key in _PERCENTILES))
    stages.add_section()
    for name, key in _HOPS.items():
        if key in figures:
            style = "bold" if key == "hop_ms" else ""
            stages.add_row(name, *(f"{figures[key][column]:.3f}" for column in _PERCENTILES), style=style)
    console.print(stages)
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim", overflow="fold")
    for name, key, form, note in _FIGURES:
        value: Any = figures
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            table.add_row(name, form.format(value), note)
    console.print(table)
    if figures["taken_by_others"] > 0.1:
        share = figures["taken_by_others"]
        console.print(f"[yellow]other programs took {share:.0%} of the processor: measure again on a quiet machine[/]")
    _show_bars(figures["bars"], console)


_PERCENTILES = ("p50", "p95", "p99", "max")
_HOPS = {
    "whole hop": "hop_ms",
    "CPU: file, without the VAD": "hop_without_vad_ms",
    "CPU: librosa, usual way": "librosa_hop_ms",
    "CPU: librosa, our frames": "librosa_our_frames_hop_ms",
    "CPU: librosa, our statistics": "librosa_same_features_hop_ms",
}
_FIGURES = (
    ("times real time", "realtime_factor", "{:,.0f}", "one thread, without the gate's VAD"),
    ("times real time", "realtime_factor_with_vad", "{:,.0f}", "one thread, everything on"),
    ("streams per core", "streams_per_core", "{}", "everything on, at the slowest hundredth"),
    ("start-up", "startup_s", "{:.2f} s", "fresh process to first estimate"),
    ("memory", "rss_mb", "{:.0f} MB", "peak of that process"),
    ("faster than librosa", "speedup_vs_librosa", "{:.1f} x", "the usual way, without the VAD"),
    ("faster than librosa", "speedup_vs_librosa_our_frames", "{:.1f} x", "usual way, our frame length and hop"),
    ("faster than librosa", "speedup_vs_librosa_same_features", "{:.1f} x", "computing what we compute"),
    ("live latency p50", "live_latency_ms.p50", "{:.1f} ms", "capture to estimate, beyond the block"),
    ("live latency p99", "live_latency_ms.p99", "{:.1f} ms", "capture to estimate, beyond the block"),
    ("with the block, p99", "live_raw_latency_ms.p99", "{:.1f} ms", "the audio system hands over whole blocks"),
)


def _show_bars(bars: Mapping[str, Any], console: Console) -> None:
    short = [f"{key} is {row['value']:.3g}, bar {row['bar']}" for key, row in bars.items() if not row["met"]]
    met = ", ".join(f"{key} {row['bar']}" for key, row in bars.items() if row["met"])
    if met:
        console.print(f"[green]bars met[/]    {_text(met)}", soft_wrap=True)
    for line in short:
        console.print(f"[bold red]fell short[/]  {_text(line)}", soft_wrap=True)


def _text(value: str) -> str:
    """Names of devices and files come from outside: no control character, no markup."""
    return escape(printable(value))


def _console() -> Console:
    return _Console(highlight=False)


class _Console(Console):
    """What a closed pipe means is decided in one place, ``main``; rich would end the process with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def show_recordings(
    rows: Sequence[Mapping[str, Any]], total: int, tally: Mapping[str, int], console: Console | None = None
) -> None:
    """Print what ``classify`` found, a row a recording, and how many of each label; ``rows`` may be the first of ``total``."""
    console = console or _console()
    table = Table(box=None, padding=(0, 1))
    for heading in ("Recording", "Length", "Label", "Confidence", "Seconds by label"):
        table.add_column(heading, justify="right" if heading in ("Length", "Confidence") else "left", overflow="fold")
    for row in rows:
        seconds = {key.removeprefix("seconds_"): value for key, value in row.items() if key.startswith("seconds_") and value}
        ranked = sorted(seconds.items(), key=lambda item: -item[1])
        label = row["label"] or ("nobody speaks" if row["error"] is None else "")
        table.add_row(
            _text(row["path"] if row.get("channel") is None else f"{row['path']}, channel {row['channel']}"),
            "" if row["duration_s"] is None else clock(row["duration_s"]),
            f"[bold]{_text(label)}[/]" if row["label"] else f"[dim]{_text(label)}[/]",
            "" if row["confidence"] is None else percent(row["confidence"]),
            ", ".join(f"{_text(name)} {value:.1f}" for name, value in ranked)
            if row["error"] is None
            else f"[red]{_text(row['error'])}[/]",
        )
    console.print(table)
    if total > len(rows):
        console.print(f"... and {total - len(rows)} more; -o FILE.csv keeps them all", highlight=False)
    if total > 1:
        counted = ", ".join(f"{_text(label)} {count}" for label, count in sorted(tally.items(), key=lambda item: -item[1]))
        what = "recordings" if all(row.get("channel") is None for row in rows) else "channels"
        console.print(f"{total} {what}: {counted}", highlight=False)
