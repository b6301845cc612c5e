"""The high-pass before gate and classifier, which removes everything below 60 Hz.

A DC offset, mains hum, a desk that shakes or a fan hide a soft voice from the gate and change what the classifier answers; any
cheap microphone adds one of them. The filter is a Chebyshev of type II, order 11: 70 dB down at 60 Hz and below, 0.6 dB at 85
Hz, flat above. With 45 dB, rumble 20 dB over a voice changed a quarter of the answers.

Its recursion would be a loop over samples, which Python cannot afford. So the filter is split into its modes (a first-order
recursion for each pole), and blocks of samples are filtered by matrix products: the impulse response acts inside a block, and
the modes carry over from block to block. SciPy's ``sosfilt`` gives the same numbers, and importing it takes longer than the
rest of a start.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from realtime_ser.audio.source import check_rate
from realtime_ser.records import FloatArray

STOP_HZ = 60.0  # from here down, at least STOP_DB less
STOP_DB = 70.0
ORDER = 11  # odd: one of the zeros stops a DC offset

_BLOCK = 80  # samples. A hop of 4,000 takes 36 us like this, 48 us in blocks of 40 and 40 us in blocks of 160.
_BLOCKS = 50
# Where a mode has decayed this far it is zero: denormal numbers, slow to compute with, would follow in digital silence.
_NOTHING = 1e-15
# Softer samples, such as a resampler's ringing in digital silence, are zero: their power is a denormal number in the networks.
_SILENCE = np.float32(1e-10)  # -200 dBFS

_Float64 = npt.NDArray[np.float64]
_Complex128 = npt.NDArray[np.complex128]


def design(rate: float) -> tuple[_Complex128, _Complex128, float]:
    """Zeros, poles and gain of the filter at ``rate`` Hz, as ``scipy.signal.cheby2(11, 70, 60, "high", fs=rate)`` has them."""
    # Analogue low-pass prototype with its stop band from 1 rad/s.
    steepness = np.arcsinh(np.sqrt(10 ** (STOP_DB / 10) - 1)) / ORDER
    numbers = np.arange(-ORDER + 1, ORDER, 2)
    zeros: _Complex128 = 1j / np.sin(np.pi * numbers[numbers != 0] / (2 * ORDER))
    circle = -np.exp(1j * np.pi * numbers / (2 * ORDER))
    poles: _Complex128 = 1 / (np.sinh(steepness) * circle.real + 1j * np.cosh(steepness) * circle.imag)
    # To a high-pass: s becomes edge / s. The zero at infinity comes to 0, which stops a DC offset altogether.
    edge = 2 * rate * np.tan(np.pi * STOP_HZ / rate)
    zeros, poles = np.append(edge / zeros, 0), edge / poles
    # Bilinear transform. At half the rate, where the gain is one, z is -1.
    zeros, poles = (2 * rate + zeros) / (2 * rate - zeros), (2 * rate + poles) / (2 * rate - poles)
    return zeros, poles, float(np.real(np.prod(-1 - poles) / np.prod(-1 - zeros)))


@dataclass(frozen=True, slots=True)
class _Matrices:
    """The filter at one rate, for blocks of ``_BLOCK`` samples and up to ``_BLOCKS`` of them.

    A mode follows ``s[n + 1] = pole * s[n] + x[n]``, one of each conjugate pair; the output is ``gain * x[n]`` and each mode's
    weighted real part.
    """

    # (block + 2 modes, block): a block's samples, then the modes before it (real and imaginary parts in turn) to its outputs
    response: _Float64
    inputs: _Float64  # (block, 2 modes): a block's samples to the modes after it
    powers: _Complex128  # (block + 1, modes): how far a mode has turned and decayed after so many samples
    carry: _Complex128  # (modes, blocks + 1, blocks + 1): the modes before the first block and what each adds, to before each
    rest: _Complex128  # (modes,): the modes after an endless input of one


@functools.lru_cache(maxsize=8)
def _matrices(rate: int) -> _Matrices:
    zeros, poles, gain = design(rate)
    residues = np.array(
        [gain * np.prod(pole - zeros) / np.prod(pole - np.delete(poles, index)) for index, pole in enumerate(poles)]
    )
    kept = poles.imag > -1e-12
    # A pair's other half doubles the real part.
    residues = residues[kept] * np.where(np.abs(poles[kept].imag) > 1e-12, 2, 1)
    poles = poles[kept]
    powers = poles ** np.arange(_BLOCK + 1)[:, np.newaxis]
    weighted = residues * powers[:_BLOCK]
    impulse = np.concatenate(([gain], weighted.real.sum(axis=1)))[:_BLOCK]
    lag = np.arange(_BLOCK) - np.arange(_BLOCK)[:, np.newaxis]
    blocks = np.arange(_BLOCKS + 1)[:, np.newaxis] - np.arange(_BLOCKS + 1)
    carry = np.where(blocks >= 0, (poles**_BLOCK)[:, np.newaxis, np.newaxis] ** np.maximum(blocks, 0), 0)
    inside = np.where(lag >= 0, impulse[np.maximum(lag, 0)], 0.0)
    before = np.stack((weighted.real.T, -weighted.imag.T), axis=1).reshape(-1, _BLOCK)
    return _Matrices(
        response=np.concatenate((inside, before)),
        inputs=np.ascontiguousarray(powers[_BLOCK - 1 :: -1]).view(np.float64),
        powers=powers,
        carry=carry,
        rest=1 / (1 - poles),
    )


class HighPass:
    """A stream of mono samples without what lies below 60 Hz; pieces of any size give the same output as the whole.

    Causal; it delays 300 Hz by 0.7 ms and 100 Hz by 11 ms. It computes in float64. A stream begins as if its first sample had
    been there for ever, so that a DC offset makes no step.

    Parameters
    ----------
    rate : Hz, 1,000 to 768,000

    Raises
    ------
    SourceError : a rate that is no whole number or out of range
    """

    def __init__(self, rate: int) -> None:
        self._matrices = _matrices(check_rate(rate, "high-pass"))
        self._modes: _Complex128 | None = None

    def reset(self) -> None:
        """Forget everything, as if new."""
        self._modes = None

    def push(self, samples: FloatArray) -> FloatArray:
        """Filter the next piece, float32 (n,); returns as many. They are new; ``samples`` stay as they are."""
        out = np.empty(len(samples), np.float32)
        if len(samples) and self._modes is None:
            self._modes = self._matrices.rest * float(samples[0])
        for first in range(0, len(samples), _BLOCK * _BLOCKS):
            piece = slice(first, first + _BLOCK * _BLOCKS)
            self._filter(samples[piece], out[piece])
        out[np.abs(out) < _SILENCE] = 0
        return out

    def _filter(self, samples: FloatArray, out: FloatArray) -> None:
        """Filter up to ``_BLOCKS`` blocks, the last of which may be shorter."""
        matrices = self._matrices
        count = -(-len(samples) // _BLOCK)
        whole, rest = divmod(len(samples), _BLOCK)
        # Rows as ``response`` takes them: a block's samples, and the modes before it.
        table = np.empty((count, len(matrices.response)))
        blocks = table[:, :_BLOCK]
        blocks[:whole] = samples[: whole * _BLOCK].reshape(whole, _BLOCK)
        if rest:
            blocks[whole, :rest] = samples[-rest:]
            blocks[whole, rest:] = 0
        # The modes before each block, and after the last whole one.
        added = np.empty((whole + 1, len(matrices.rest)), np.complex128)
        added[0] = self._modes
        np.matmul(blocks[:whole], matrices.inputs, out=added[1:].view(np.float64))
        modes = np.matmul(matrices.carry[:, : whole + 1, : whole + 1], added.T[:, :, np.newaxis])[:, :, 0].T
        table[:, _BLOCK:].view(np.complex128)[:] = modes[:count]
        outputs = table @ matrices.response
        out[: whole * _BLOCK].reshape(whole, _BLOCK)[:] = outputs[:whole]
        last = modes[whole]
        if rest:
            out[-rest:] = outputs[whole, :rest]
            last = last * matrices.powers[rest] + (blocks[whole, :rest] @ matrices.inputs[-rest:]).view(np.complex128)
        self._modes = np.where(np.abs(last) < _NOTHING, 0, last)


def high_passed(samples: FloatArray, rate: int) -> FloatArray:
    """All of ``samples``, float32 (n,) at ``rate`` Hz, filtered as a stream that begins with them; float32 (n,)."""
    return HighPass(rate).push(samples)
