"""The front end's parameters, as on a model's card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from realtime_ser.config_build import build
from realtime_ser.errors import ModelError

RECIPES = ("flat268", "flatstats", "moments", "stacked", "joint", "waveform")
STATISTICS = ("flatstats", "moments")
"""Recipes that give a vector of a window's statistics, which a running normalisation may follow."""
# Largest array of a front end, in values of 4 bytes: several of this size exist at once.
_MOST_VALUES = 2**23


@dataclass(frozen=True, slots=True)
class FrontEndSpec:
    """Parameters of the front end. Frames are not centred: frame i covers samples [i * hop_length, i * hop_length + n_fft).

    Attributes
    ----------
    recipe : "flat268" (time means of MFCC, chroma and mel), "flatstats" (statistics of log-mel, MFCC, spectral shape and
        pitch), "moments" (fewer of them, all of which are weighted sums over frames), "stacked" (log-mel x time),
        "joint" (flatstats, then stacked) or "waveform" (the samples themselves, on a grid of ``hop_length``)
    sample_rate : Hz
    n_fft, hop_length : samples
    n_mels, n_mfcc, n_chroma : number of bands, coefficients and pitch classes
    fmin, fmax : range of the mel bank in Hz
    top_db : log-mel is clamped this far below the window's loudest value, in dB
    frame_db : flatstats, moments: also clamped this far below each frame's loudest band; limits how far a band that a
        microphone or codec leaves empty falls below the loudest
    active_db : flatstats, moments: frames this far below the window's loudest frame do not count, in dB
    pitch_min_hz, pitch_max_hz : flatstats, moments: search range of the fundamental
    """

    recipe: str
    sample_rate: int = 16000
    n_fft: int = 512
    hop_length: int = 250
    n_mels: int = 64
    n_mfcc: int = 20
    n_chroma: int = 12
    fmin: float = 0.0
    fmax: float = 8000.0
    top_db: float = 80.0
    frame_db: float = 80.0
    active_db: float = 35.0
    pitch_min_hz: float = 65.0
    pitch_max_hz: float = 500.0

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise ModelError(f"front end: unknown recipe {self.recipe!r}; this version supports {', '.join(RECIPES)}")
        if not 4000 <= self.sample_rate <= 192_000:
            raise ModelError(f"front end: sample_rate {self.sample_rate} Hz is outside 4000 to 192000")
        if not 1 <= self.hop_length <= self.n_fft <= 65536:
            raise ModelError(f"front end: needs 1 <= hop_length ({self.hop_length}) <= n_fft ({self.n_fft}) <= 65536")
        if not (1 <= self.n_mels <= 512 and 1 <= self.n_mfcc <= self.n_mels and 1 <= self.n_chroma <= 48):
            raise ModelError("front end: needs 1 <= n_mfcc <= n_mels <= 512 and 1 <= n_chroma <= 48")
        if self.recipe != "waveform" and self.n_fft < 16:
            raise ModelError(f"front end: n_fft ({self.n_fft}) must be at least 16")
        if self.n_mels * self.n_fft > _MOST_VALUES:
            raise ModelError(f"front end: {self.n_mels} mel bands of {self.n_fft} samples need more memory than makes sense")
        if not 0 <= self.fmin < self.fmax <= self.sample_rate / 2:
            raise ModelError(f"front end: mel range {self.fmin:g} to {self.fmax:g} Hz does not fit {self.sample_rate} Hz audio")
        if not 20 <= self.pitch_min_hz < self.pitch_max_hz <= self.sample_rate / 4:
            raise ModelError(f"front end: pitch range {self.pitch_min_hz:g} to {self.pitch_max_hz:g} Hz makes no sense")
        ranges = {name: getattr(self, name) for name in ("top_db", "frame_db", "active_db")}
        if not all(0 < value <= 1000 for value in ranges.values()):
            given = ", ".join(f"{name} ({value:g})" for name, value in ranges.items())
            raise ModelError(f"front end: {given} must lie in 0 to 1000")
        if self.recipe == "waveform" and self.n_fft != self.hop_length:
            raise ModelError("front end: a waveform recipe has n_fft equal to hop_length, the grid of its windows")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FrontEndSpec:
        """Read a card's ``front_end``.

        Raises
        ------
        ModelError : a key is unknown, missing, ill-typed or out of range
        """
        return build(cls, values, "front end", "", error=ModelError, what="key")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a card."""
        return asdict(self)

    def frames_in(self, seconds: float) -> int:
        """Number of frames whose audio lasts ``seconds``, to the nearest frame and at least one."""
        return max(1, 1 + round((seconds * self.sample_rate - self.n_fft) / self.hop_length))

    def check_window(self, seconds: float) -> None:
        """Raise ModelError when a window of ``seconds`` needs more memory than makes sense."""
        frames = self.frames_in(seconds)
        if frames * max(self.n_fft, 2 * self.n_mels) > _MOST_VALUES:
            raise ModelError(
                f"front end: windows of {seconds:g} s are {frames} frames of {self.n_fft} samples, more than memory allows"
            )

    def samples_in(self, frames: int) -> int:
        """Number of samples that ``frames`` consecutive frames cover."""
        return self.n_fft + (frames - 1) * self.hop_length
