"""``realtime-ser classify`` refuses wrong usage in one line, before it writes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import realtime_ser


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "out.xyz"], "the name must end in one of .rttm"),
        (["-o", "a.vtt"], "holds one recording and there are 12; name a folder: -o FOLDER/ --format vtt"),
        (["-o", "out.csv", "--format", "nix"], "--format nix"),
        (["-o", "."], "--format"),
        (["--resume"], "-o FILE"),
        (["-o", "a.csv", "-o", "./a.csv"], "one file"),
        (["-o", "a.csv", "-o", "-"], "standard output"),
        (["--jobs", "0"], "'0'"),
        (["--format", "parquet"], "-o FILE"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], words: str, archive: Path, tiny: Path, tmp_path: Path) -> None:
    result = realtime_ser("classify", archive, "--model", tiny, *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []
