"""What the short commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from realtime_ser.sinks.text import printable

if TYPE_CHECKING:
    from realtime_ser.audio.devices import Device
    from realtime_ser.doctor import Check
    from realtime_ser.model import Card


def show_devices(devices: Sequence[Device], *, as_json: bool, console: Console | None = None) -> None:
    """Print the input devices; the default one is marked with an asterisk."""
    if as_json:
        print(json.dumps([asdict(device) for device in devices], indent=2))
        return
    table = Table(title="Input devices", title_justify="left", caption="* default", caption_justify="left")
    for heading in ("", "Index", "Name", "Host API", "Channels", "Default rate", "Rates (kHz)"):
        table.add_column(heading, justify="right" if heading in ("Index", "Channels", "Default rate") else "left")
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
    (console or _console()).print(table)


def show_models(cards: Sequence[Card], *, as_json: bool, console: Console | None = None) -> None:
    """Print the shipped bundles with recipe, size, score and licence."""
    if as_json:
        print(json.dumps([dict(card.raw) for card in cards], indent=2))
        return
    console = console or _console()
    for card in cards:
        size = card.onnx_path.stat().st_size / 1000
        parameters = card.raw.get("parameters")
        table = Table(box=None, show_header=False, padding=(0, 1), title=f"[bold]{_text(card.name)}", title_justify="left")
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        table.add_row("score", _text(card.headline))
        table.add_row("measured by", _text(str(dict(card.raw.get("scores", {})).get("command", "not stated"))))
        table.add_row("input", f"{card.spec.recipe}, {card.spec.sample_rate} Hz, {card.min_window_s:g} to {card.window_s:g} s")
        count = f"{parameters:,} parameters, " if isinstance(parameters, int) else ""
        table.add_row("size", f"{count}{size:,.0f} kB")
        table.add_row("labels", _text(", ".join(card.labels)))
        table.add_row("licence", _text(card.licence))
        table.add_row("file", _text(str(card.onnx_path)))
        console.print(table)
        console.print()


def show_check(check: Check, console: Console | None = None) -> None:
    """Print one line of ``doctor`` and, if it is not well, what to do."""
    console = console or _console()
    mark, style = {True: ("ok  ", "green"), None: ("note", "yellow"), False: ("FAIL", "bold red")}[check.ok]
    console.print(f"[{style}]{mark}[/] {_text(check.name)}: {_text(check.message)}", soft_wrap=True, highlight=False)
    if check.ok is not True and check.remedy:
        console.print(f"     -> {_text(check.remedy)}", soft_wrap=True, highlight=False)


def show_bench(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the benchmark's figures."""
    console = console or _console()
    table = Table(title=_text(figures["title"]), title_justify="left")
    table.add_column("One hop, milliseconds")
    for heading in ("p50", "p95", "p99", "max"):
        table.add_column(heading, justify="right")
    rows = {**figures["stages"], "whole hop": figures["hop_ms"]}
    for name, row in rows.items():
        values = [row.get(key, row.get(f"{key}_ms")) for key in ("p50", "p95", "p99", "max")]
        table.add_row(name, *(f"{value:.3f}" for value in values), style="bold" if name == "whole hop" else "")
    console.print(table)
    for name, value in figures["lines"]:
        console.print(f"{_text(name):<34} {_text(value)}", highlight=False, soft_wrap=True)


def _text(value: str) -> str:
    """Names of devices and files come from outside: no control character, no markup."""
    return escape(printable(value))


def _console() -> Console:
    return Console(highlight=False)
