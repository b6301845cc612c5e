"""The last frames -> model input: a view where possible, otherwise functionals of the columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realtime_ser.features.filters import dct_matrix
from realtime_ser.features.frames import FrameTransform
from realtime_ser.features.moment_frames import MomentTransform
from realtime_ser.features.moments import MomentVector
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.features.statistics import StatisticsVector
from realtime_ser.records import FloatArray


class FrontEnd:
    """Samples in, features of the last window out. Only new audio is transformed at each hop.

    Parameters
    ----------
    spec : the card's front end
    window_s : longest window, in seconds; rounded to whole frames (see ``window_frames``)

    Attributes
    ----------
    window_frames : frames in a full window
    frames : frames since the last ``reset``
    """

    def __init__(self, spec: FrontEndSpec, window_s: float) -> None:
        self.spec = spec
        self.window_frames = spec.frames_in(window_s)
        self.frames = 0
        self._transform = _transform(spec)
        rows = spec.hop_length if self._transform is None else self._transform.n_columns
        # What stays when columns are moved: a window, and what the next frames depend on.
        self._kept = max(self.window_frames, 0 if self._transform is None else self._transform.past)
        # Twice that, so that a window is one contiguous view and columns are moved once per window length.
        self._store = np.zeros((rows, 2 * self._kept), np.float32)
        self._filled = 0
        self._tail = np.zeros(0, np.float32)
        if spec.recipe == "flat268":
            self._dct = dct_matrix(spec.n_mfcc, spec.n_mels)
        if spec.recipe in ("flatstats", "joint"):
            assert isinstance(self._transform, FrameTransform)
            self._statistics = StatisticsVector(spec, self._transform.columns)
        self._moments = MomentVector(spec, self._transform) if isinstance(self._transform, MomentTransform) else None

    @property
    def n_features(self) -> int | None:
        """Length of a vector recipe's vector; None where the shape depends on the window's length."""
        if self.spec.recipe == "flat268":
            return self.spec.n_mfcc + self.spec.n_chroma + self.spec.n_mels
        if self._moments is not None:
            return self._moments.size
        return self._statistics.size if self.spec.recipe == "flatstats" else None

    @property
    def n_statistics(self) -> int:
        """Length of the ``moments`` or ``flatstats`` vector, alone or in front of ``joint``; 0 for other recipes."""
        if self._moments is not None:
            return self._moments.size
        return self._statistics.size if self.spec.recipe in ("flatstats", "joint") else 0

    @property
    def n_normalised(self) -> int:
        """Number of means (and of deviations) of a running normalisation of this front end; 0: not supported."""
        return self.n_statistics + (self.spec.n_mels if self.spec.recipe in ("stacked", "joint") else 0)

    def reset(self) -> None:
        """Forget the stream."""
        self.frames = 0
        self._filled = 0
        self._tail = self._tail[:0]

    def push(self, samples: FloatArray) -> int:
        """Take consecutive samples, float32 (n,). Returns the number of frames they completed."""
        n_fft, hop = self.spec.n_fft, self.spec.hop_length
        audio = np.concatenate((self._tail, samples)) if len(self._tail) else np.ascontiguousarray(samples, np.float32)
        new = max(0, 1 + (len(audio) - n_fft) // hop)
        # At most one window at a time: older frames would be dropped at once.
        for first in range(0, new, self.window_frames):
            count = min(self.window_frames, new - first)
            # Overlapping rows of one buffer; NumPy checks the bounds.
            strided = np.ndarray((count, n_fft), np.float32, audio, 4 * first * hop, (4 * hop, 4))
            out = self._room(count)
            if self._transform is None:
                out[:] = strided.T
            else:
                start = self._filled - count
                self._transform(strided, out, self._store[:, start - min(self._transform.past, self.frames, start) : start])
            self.frames += count
        self._tail = audio[new * hop :].copy()
        return new

    def window(self, frames: int | None = None) -> FloatArray:
        """Features of the last ``frames`` frames (default: a full window, or all there are).

        Returns
        -------
        float32: flat268 (n_mfcc + n_chroma + n_mels,), flatstats and moments (n_features,), stacked (n_mels, frames) in dB,
        joint (n_statistics + n_mels * frames,), flatstats and then stacked row by row, waveform (frames * hop_length,)

        Raises
        ------
        ValueError : no frame is complete yet
        """
        if self._moments is not None:
            return self.windows((frames or self.window_frames,))[0]
        count = self._frames_of(frames or self.window_frames)
        view = self._store[:, self._filled - count : self._filled]
        if self.spec.recipe == "waveform":
            return np.ascontiguousarray(view.T).reshape(-1)
        if self.spec.recipe == "flatstats":
            return self._statistics(view)
        assert self._transform is not None
        columns = self._transform.columns
        log_mel = view[columns["whole_log_mel" if self.spec.recipe == "joint" else "log_mel"]]
        log_mel = np.maximum(log_mel, log_mel.max() - np.float32(self.spec.top_db))
        if self.spec.recipe == "stacked":
            return np.asarray(log_mel, np.float32)
        if self.spec.recipe == "joint":
            return np.concatenate((self._statistics(view), log_mel.ravel()))
        # The mean of the MFCCs is the DCT of the mean, which takes one product instead of one per frame.
        mfcc = self._dct @ log_mel.mean(axis=1)
        return np.concatenate((mfcc, view[columns["chroma"]].mean(axis=1), view[columns["mel"]].mean(axis=1)))

    def windows(self, lengths: Sequence[int]) -> list[FloatArray]:
        """``window`` of each of these numbers of frames. ``moments`` computes them together, in little more time than one."""
        if self._moments is None:
            return [self.window(frames) for frames in lengths]
        counts = [self._frames_of(frames) for frames in lengths]
        return list(self._moments(self._store[:, self._filled - max(counts) : self._filled], counts))

    def _frames_of(self, frames: int) -> int:
        count = min(self.frames, self.window_frames, frames)
        if count < 1:
            raise ValueError("no frame is complete yet")
        return count

    def _room(self, count: int) -> FloatArray:
        """The next ``count`` columns of the store; old columns are moved out if it is full."""
        if self._filled + count > self._store.shape[1]:
            keep = min(self._filled, self._kept)
            self._store[:, :keep] = self._store[:, self._filled - keep : self._filled].copy()
            self._filled = keep
        out = self._store[:, self._filled : self._filled + count]
        self._filled += count
        return out


def _transform(spec: FrontEndSpec) -> FrameTransform | MomentTransform | None:
    if spec.recipe == "waveform":
        return None
    return MomentTransform(spec) if spec.recipe == "moments" else FrameTransform(spec)
