"""What is said when ffmpeg finds nothing to decode."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest

from realtime_ser.audio.open import open_source
from realtime_ser.config import CaptureConfig
from realtime_ser.errors import SourceError


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("as_file", [True, False])
def test_a_video_without_sound_says_so(suffix: str, as_file: bool, tmp_path: Path) -> None:
    path = tmp_path / f"mute.{suffix}"
    picture = ["-f", "lavfi", "-i", "color=c=red:s=16x16:d=0.2", "-c:v", "mpeg4"]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *picture, str(path)], check=True)
    source = open_source(path if as_file else io.BytesIO(path.read_bytes()), CaptureConfig())
    with pytest.raises(SourceError, match=r"could not be read \(it holds no sound\)"), source:
        pass
