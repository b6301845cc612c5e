"""Per-frame columns of the ``moments`` recipe: everything of which a window's vector needs no more than weighted sums.

Squares, changes over time and products of two quantities are columns of their own, computed once per frame, so that deviations,
movements and correlations of a window cost one matrix product.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from realtime_ser.features.filters import dct_matrix, hann, mel_filters
from realtime_ser.features.frames import log_power
from realtime_ser.features.pitch import PitchTracker
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.records import FloatArray

PAST = 2  # frames before a frame that its columns depend on
# Arrays of no dimension: NumPy takes half a microsecond less for them than for numbers, and a hop's arrays are small.
_VOICED = np.array(0.45, np.float32)  # Boersma's voicing threshold
_OCTAVE = np.array(7.3, np.float32)  # pitch is stored relative to 158 Hz, so that its square keeps its precision
_STEP = np.array(0.02, np.float32)  # octaves from one frame to the next: smaller changes count as steady pitch
_PITCH_BAND_HZ = 2000.0  # half of what flatstats takes: a quarter of the work
_OCTAVE_COST = 0.04  # twice as much, as candidate periods lie twice as far apart and may miss a peak by more
_ZERO = np.array(0, np.float32)


class MomentTransform:
    """Turns frames into columns. Interface as ``FrameTransform``.

    Attributes
    ----------
    columns : name -> slice of the rows it fills

        - ``base``: MFCC (``mfcc``); log-mel (``log_mel``); spectral centroid and zero-crossing rate, both as ten times the
          decadic logarithm; flux; level; voicing
        - ``pitch``: octaves about 158 Hz, whatever the voicing
        - ``voice``: 1 in voiced frames; there voicing and pitch, and their squares; else 0
        - ``pairs``: 1 where this frame and the one before are voiced; there the pitch's absolute change, its square, 1 where it
          rises, 1 where it falls
        - ``change_square``: squares of the base rows' changes over two frames
        - ``change``: absolute changes of the base rows but MFCC
    n_columns : rows per frame
    """

    past = PAST

    def __init__(self, spec: FrontEndSpec) -> None:
        bands = spec.n_mels
        self._bands = bands
        self._frame_db = np.array(spec.frame_db, np.float32)
        # See FrameTransform for norm="forward".
        self._window = hann(spec.n_fft) * np.float32(spec.n_fft)
        mel = mel_filters(spec.sample_rate, spec.n_fft, bands, fmin=spec.fmin, fmax=spec.fmax)
        # Three more rows give the frame's level (Parseval), centroid and zero-crossing rate (Rice 1944: the root of the
        # spectrum's second moment) by the same product.
        share = np.linspace(0, 1, mel.shape[1])
        extra = np.stack((share**0, share, share**2)) * (2 / spec.n_fft**2)
        self._bank = np.concatenate((mel, extra.astype(np.float32)))
        self._dct = dct_matrix(spec.n_mfcc + 1, bands)[1:]  # MFCC 1 to n_mfcc: row 0 is the level
        self._band_share = np.full(bands, 1 / bands, np.float32)
        self._pitch = PitchTracker(spec, _PITCH_BAND_HZ, _OCTAVE_COST)
        first, shape, flux = spec.n_mfcc, spec.n_mfcc + bands, spec.n_mfcc + bands + 2
        self.mfcc, self.log_mel, self._shape, self._flux = slice(first), slice(first, shape), slice(shape, flux), flux
        self.level, base = flux + 1, flux + 3
        self._kept = base + 1
        slices, row = {}, 0
        for name, rows in (
            ("base", base), ("pitch", 1), ("voice", 5), ("pairs", 5), ("change_square", base), ("change", base - first),
        ):  # fmt: skip
            slices[name] = slice(row, row + rows)
            row += rows
        self.n_columns = row
        self.columns = MappingProxyType({**slices, "log_mel": self.log_mel, "mfcc": self.mfcc})

    def __call__(self, frames: FloatArray, out: FloatArray, before: FloatArray | None = None) -> None:
        """Transform consecutive frames.

        Parameters
        ----------
        frames : float32 (n, n_fft), raw samples
        out : float32 (n_columns, n), written in place
        before : float32 (n_columns, 0 to PAST), the columns of the preceding frames; None: there are none
        """
        columns, bands = self.columns, self._bands
        spectrum = np.fft.rfft(frames * self._window, axis=-1, norm="forward")
        squares = spectrum.view(np.float32)  # real and imaginary parts in turn
        squares *= squares
        power = squares[:, ::2] + squares[:, 1::2]
        decibels = log_power(self._bank @ power.T)
        known = 0 if before is None else before.shape[1]
        table = np.empty((self._kept, PAST + len(frames)), np.float32)
        now = table[:, PAST:]
        log_mel = now[self.log_mel]
        np.maximum(decibels[:bands], np.maximum.reduce(decibels[:bands], axis=0) - self._frame_db, out=log_mel)
        np.subtract(decibels[bands + 1 :], decibels[bands], out=now[self._shape])
        np.matmul(self._dct, log_mel, out=now[self.mfcc])
        now[self.level] = decibels[bands]
        now[-2], now[-1] = self._pitch(power)
        now[-1] -= _OCTAVE
        if before is not None and known:
            table[:, PAST - known : PAST] = before[: self._kept]
        # Before a stream's first frame everything is as in that frame.
        if known < PAST:
            table[:, : PAST - known] = table[:, PAST - known, np.newaxis]
        rise = log_mel - table[self.log_mel, PAST - 1 : -1]
        np.matmul(self._band_share, np.maximum(rise, _ZERO, out=rise), out=now[self._flux])
        if not known:
            table[self._flux, :PAST] = now[self._flux, 0]
        out[: self._kept] = now
        base = now[:-1]
        change = base - table[:-1, :-PAST]
        np.multiply(change, change, out=out[columns["change_square"]])
        np.abs(change[self.mfcc.stop :], out=out[columns["change"]])
        voiced = np.greater(table[-2, 1:], _VOICED).astype(np.float32)
        _voice(voiced[1:], now[-2:], out[columns["voice"]])
        _pairs(voiced, table[-1, 1:], out[columns["pairs"]])


def _voice(voiced: FloatArray, tracks: FloatArray, out: FloatArray) -> None:
    """Fill the rows ``voice``; ``tracks`` are voicing and pitch."""
    out[0] = voiced
    np.multiply(tracks, voiced, out=out[1:3])
    np.multiply(out[1:3], out[1:3], out=out[3:5])


def _pairs(voiced: FloatArray, pitch: FloatArray, out: FloatArray) -> None:
    """Fill the rows ``pairs``; ``voiced`` and ``pitch`` have one frame more, the one before the first."""
    both = np.multiply(voiced[1:], voiced[:-1], out=out[0])
    step = pitch[1:] - pitch[:-1]
    step *= both
    np.abs(step, out=out[1])
    np.multiply(step, step, out=out[2])
    out[3] = step > _STEP
    out[4] = step < -_STEP
