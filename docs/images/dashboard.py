"""Draws dashboard.svg: the screen of ``realtime-ser demo`` after 17.5 s.

Run ``python docs/images/dashboard.py``.
"""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

from rich.console import Console

from realtime_ser.audio.open import open_source
from realtime_ser.config import load_config
from realtime_ser.engine.engine import Engine
from realtime_ser.model.classifier import load_model
from realtime_ser.pipeline.run import run
from realtime_ser.records import Record, Summary
from realtime_ser.sinks.dashboard.state import Cell
from realtime_ser.sinks.dashboard.view import view
from realtime_ser.sinks.group import SinkGroup

SAMPLE = Path(__file__).parents[2] / "realtime_ser" / "sample" / "demo.flac"
WIDTH, HEIGHT, UNTIL_S = 100, 26, 17.5


class CellSink:
    """Keeps what the dashboard would show; the end of the run is not part of the picture."""

    name = "picture"

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def write(self, record: Record) -> None:
        """Keep a record."""
        if not isinstance(record, Summary):
            self._cell.put(record)

    def close(self) -> None:
        """Nothing to close."""


def main() -> None:
    """Replay, stop, draw."""
    config = load_config(None, ["smoothing.neutral_share=null"])
    cell = Cell(config.dashboard.timeline_s, time.monotonic, None)
    with open_source(str(SAMPLE), config.capture, speed=1.0) as source:
        source.name = SAMPLE.name
        engine = Engine(load_model(config.model), config)
        run(source, engine, SinkGroup([CellSink(cell)]), config, duration_s=UNTIL_S)
    console = Console(width=WIDTH, height=HEIGHT, record=True, file=io.StringIO(), force_terminal=True)
    console.print(view(cell.take(), WIDTH, HEIGHT))
    picture = console.export_svg(title="realtime-ser demo")
    # rich names fonts on a server; a viewer's own monospaced font does, and nothing is fetched.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    Path(__file__).with_suffix(".svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
