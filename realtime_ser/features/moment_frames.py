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

PAST = 6  # frames before a frame that its columns depend on
_CHANGE = 2  # frames over which the base rows' changes are taken
_VOICED = np.float32(0.45)  # Boersma's voicing threshold
_OCTAVE = np.float32(7.3)  # pitch is stored relative to 158 Hz, so that its square keeps its precision
_STEP = np.float32(0.02)  # octaves from one frame to the next: smaller changes count as steady pitch
_SMOOTHING = np.full(5, 0.2, np.float32)  # of the level, in which syllable nuclei are peaks
_ZERO = np.float32(0)


class MomentTransform:
    """Turns frames into columns. Interface as ``FrameTransform``.

    Attributes
    ----------
    columns : name -> slice of the rows it fills

        - ``base``: log-mel (``log_mel``); spectral centroid and zero-crossing rate, both as ten times the decadic logarithm;
          MFCC (``mfcc``); flux; level; voicing
        - ``voice``: 1 in voiced frames; there level, voicing and pitch, their squares, and level times pitch; else 0
        - ``pairs``: 1 where this frame and the one before are voiced; there the pitch's absolute change, its square, 1 where it
          rises, 1 where it falls; 1 where a voiced run begins; 1 at peaks of the level (syllable nuclei)
        - ``square``, ``change_square``, ``change``: of the base rows, changes over two frames
        - ``pitch``: octaves about 158 Hz, whatever the voicing; only the next frames need it
    n_columns : rows per frame
    """

    past = PAST

    def __init__(self, spec: FrontEndSpec) -> None:
        bands = spec.n_mels
        self._bands = bands
        self._frame_db = np.float32(spec.frame_db)
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
        self._pitch = PitchTracker(spec)
        shape, flux = bands + 2, bands + 2 + spec.n_mfcc
        self._shape, self._mfcc, self._flux = slice(bands, shape), slice(shape, flux), flux
        self.level, base = flux + 1, flux + 3
        self._kept = base + 1
        slices, row = {}, 0
        for name, rows in (
            ("base", base), ("pitch", 1), ("voice", 8), ("pairs", 7), ("square", base), ("change_square", base), ("change", base),
        ):  # fmt: skip
            slices[name] = slice(row, row + rows)
            row += rows
        self.n_columns = row
        self.columns = MappingProxyType({**slices, "log_mel": slice(bands), "mfcc": self._mfcc})

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
        power = spectrum.real**2
        power += spectrum.imag**2
        decibels = log_power(self._bank @ power.T)
        known = 0 if before is None else before.shape[1]
        table = np.empty((self._kept, PAST + len(frames)), np.float32)
        now = table[:, PAST:]
        log_mel = decibels[:bands]
        np.maximum(log_mel, log_mel.max(axis=0) - self._frame_db, out=now[:bands])
        np.subtract(decibels[bands + 1 :], decibels[bands], out=now[self._shape])
        np.matmul(self._dct, now[:bands], out=now[self._mfcc])
        now[self.level] = decibels[bands]
        now[self.level + 1], pitch = self._pitch(power)
        np.subtract(pitch, _OCTAVE, out=now[-1])
        if before is not None and known:
            table[:, PAST - known : PAST] = before[: self._kept]
        # Before a stream's first frame everything is as in that frame.
        if known < PAST:
            table[:, : PAST - known] = table[:, PAST - known, np.newaxis]
        rise = now[:bands] - table[:bands, PAST - 1 : -1]
        now[self._flux] = self._band_share @ np.maximum(rise, _ZERO, out=rise)
        if not known:
            table[self._flux, :PAST] = now[self._flux, 0]
        out[: self._kept] = now
        base = now[:-1]
        np.multiply(base, base, out=out[columns["square"]])
        change = np.subtract(base, table[:-1, PAST - _CHANGE : -_CHANGE], out=out[columns["change"]])
        np.multiply(change, change, out=out[columns["change_square"]])
        np.abs(change, out=change)
        voiced = (table[-2] > _VOICED).astype(np.float32)
        _voice(voiced[PAST:], now[-3:], out[columns["voice"]])
        _pairs(voiced, table[-1], table[-3], out[columns["pairs"]])


def _voice(voiced: FloatArray, tracks: FloatArray, out: FloatArray) -> None:
    """Fill the rows ``voice``; ``tracks`` are level, voicing and pitch."""
    out[0] = voiced
    np.multiply(tracks, voiced, out=out[1:4])
    np.multiply(out[1:4], out[1:4], out=out[4:7])
    np.multiply(out[1], out[3], out=out[7])


def _pairs(voiced: FloatArray, pitch: FloatArray, level: FloatArray, out: FloatArray) -> None:
    """Fill the rows ``pairs``, of frames from ``PAST`` on."""
    now = voiced[PAST:]
    both = np.multiply(now, voiced[PAST - 1 : -1], out=out[0])
    step = pitch[PAST:] - pitch[PAST - 1 : -1]
    step *= both
    np.abs(step, out=out[1])
    np.multiply(step, step, out=out[2])
    np.greater(step, _STEP, out=out[3], casting="unsafe")
    np.less(step, -_STEP, out=out[4], casting="unsafe")
    np.subtract(now, both, out=out[5])
    # A peak one frame ago of the level's mean over five frames.
    height = np.convolve(level, _SMOOTHING, "valid")
    top = height[1:-1]
    np.logical_and(top > height[:-2], top >= height[2:], out=out[6], casting="unsafe")
