"""A row a recording, as CSV, JSON Lines or Parquet."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from realtime_ser.batch.inputs import STDIN
from realtime_ser.batch.replacing import replacing
from realtime_ser.batch.result import Row
from realtime_ser.sinks.text import plain
from realtime_ser.text import printable

Writer = Callable[[Path, Iterable[Row], Sequence[str]], None]

_TYPES = {**dict.fromkeys(("path", "label", "model", "model_sha256", "error"), str), "channel": int}


def csv_line(cells: Sequence[Any]) -> str:
    """One line of CSV without its end: no cell can break the line, drive a terminal or be taken for a formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([_safe(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue()


def json_line(row: Row) -> str:
    """One JSON object, pure ASCII, so that a path is exact whatever characters it has.

    Bytes that are no UTF-8 cannot stand in JSON; a path with such bytes is in ``path_base64``, too.
    """
    exact = {}
    if isinstance(path := row.get("path"), str):
        try:
            path.encode()
            exact = {"path": path}
        except UnicodeEncodeError:
            exact = {"path_base64": base64.b64encode(os.fsencode(path)).decode()}
    return json.dumps(plain(row) | exact, allow_nan=False, separators=(",", ":"))


def write_csv(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Write a header and the rows."""
    with replacing(path) as file:
        file.write(csv_line([*columns]).encode() + b"\n")
        for row in rows:
            file.write(csv_line([row.get(column) for column in columns]).encode() + b"\n")


def write_jsonl(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Write an object a line, with all columns."""
    with replacing(path) as file:
        for row in rows:
            file.write(json_line({column: row.get(column) for column in columns}).encode() + b"\n")


def write_parquet(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Write strings and doubles, null where there is none."""
    from realtime_ser.sinks.parquet import ParquetTable

    table = ParquetTable(path, [(column, _TYPES.get(column, float)) for column in columns])
    try:
        for row in rows:
            table.add([row.get(column) for column in columns])
    except BaseException:
        table.discard()
        raise
    table.close()


# By name of the format. Each writes the file whole or not at all, and raises SinkError.
WRITERS: dict[str, Writer] = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


def _safe(text: str) -> str:
    text = printable(text)
    formula = text.lstrip()[:1] in ("=", "+", "-", "@", "＝", "＋", "－", "＠") and text not in ("", STDIN)
    return f"'{text}" if formula else text
