"""Make ``demo.flac`` with espeak-ng: a synthetic voice that shows the stream working, not how accurate the models are.

    python realtime_ser/sample/make_sample.py [OUT.flac]

Needs espeak-ng (Debian: ``apt install espeak-ng``). The text is ours and espeak-ng's output is free to share.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

from realtime_ser.records import FloatArray

RATE = 16000
# voice, pitch 0-99, words per minute, amplitude, text; and the seconds of silence that follow
LINES = [
    ("en-us+f3", 68, 190, 150, "We won! I can't believe it, we really won! This is the best day of the year!", 1.3),
    ("en-gb+m3", 22, 110, 60, "I am sorry. He is not coming back. There is nothing left to say.", 1.4),
    ("en-us+m7", 45, 215, 200, "No! I told you twice! Put it down and get out of here, right now!", 1.3),
    ("en-gb+f2", 45, 150, 100, "The train to the coast leaves from platform four at ten past nine.", 1.2),
]


def speak(voice: str, pitch: int, words_per_minute: int, amplitude: int, text: str) -> FloatArray:
    """One line as float32 samples at ``RATE``."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "line.wav"
        settings = ["-v", voice, "-p", str(pitch), "-s", str(words_per_minute), "-a", str(amplitude)]
        subprocess.run(["espeak-ng", *settings, "-w", str(out), text], check=True)
        samples, rate = soundfile.read(out, dtype="float32")
    return np.asarray(soxr.resample(samples, rate, RATE, quality="VHQ"), np.float32)


def main() -> None:
    pieces = [np.zeros(RATE // 2, np.float32)]
    for voice, pitch, words_per_minute, amplitude, text, silence_s in LINES:
        pieces += [speak(voice, pitch, words_per_minute, amplitude, text), np.zeros(round(silence_s * RATE), np.float32)]
    audio = np.concatenate(pieces)
    audio *= 0.5 / np.abs(audio).max()
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("demo.flac")
    soundfile.write(out, audio, RATE, subtype="PCM_16")
    print(f"{out}: {len(audio) / RATE:.1f} s, {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
