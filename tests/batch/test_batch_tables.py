"""Rows as text: exact in JSON, harmless in CSV."""

from __future__ import annotations

import base64
import csv
import json
import os
from pathlib import Path

import pytest

from realtime_ser.batch.tables import csv_line, json_line, write_jsonl

ODD = 'two\nlines \x1b[31m"q",é\u202e.wav'


@pytest.mark.skipif(os.name == "nt", reason="such names do not exist there")
@pytest.mark.parametrize("name", [b"M\xfcller.wav", b"M\xf6ller.wav", b"\xff\xfe", os.fsencode(ODD), "é音😀.wav".encode()])
def test_a_path_in_json_is_exact(name: bytes, tmp_path: Path) -> None:
    row = {"path": os.fsdecode(name), "label": "half \udcff", "confidence": 0.5}
    line = json_line(row)
    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    assert (base64.b64decode(found["path_base64"]) if "path_base64" in found else os.fsencode(found["path"])) == name
    assert ("path_base64" in found) == ("\ufffd" in found["path"])
    line.encode("utf-8").decode("utf-8")
    assert "\\ud" not in line.replace("\\ud83d\\ude00", ""), "strict readers take no half of a surrogate pair"
    assert found["label"] == "half \ufffd"
    assert [name for name in found if name != "path_base64"] == list(row)
    write_jsonl(tmp_path / "out", [row], ["path", "confidence", "error"])
    assert json.loads((tmp_path / "out").read_text())["path"] == found["path"]


@pytest.mark.parametrize("name", ["-a.wav", "=1+1.wav", "+1.wav", "@x.wav", " =1.wav"])
def test_a_path_in_csv_is_no_formula(name: str) -> None:
    assert next(csv.reader([csv_line([name, 0.5])])) == [f"'{name}", "0.5"]
    assert next(csv.reader([csv_line(["-", "a-b.wav"])])) == ["-", "a-b.wav"], "standard input keeps its name"
