"""The librosa baseline: features of the whole window at every hop, then the model. Only ``bench`` imports this.

It needs librosa and torch, which the live path never imports: install the extra ``bench``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from realtime_ser.errors import ConfigError
from realtime_ser.features.spec import STATISTICS
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import FloatArray
from realtime_ser.text import to_install

_MFCC, _CHROMA, _MEL = 128, 12, 128  # the classic vector of 268 values
_MISSING = f"--against-librosa needs {{}}; {to_install('bench')}"
_DEFAULT_N_FFT, _DEFAULT_HOP = 2048, 512  # librosa's

Way = Callable[[FloatArray], object]


def reference_ways(model: Classifier) -> dict[str, Way]:
    """The functions to time, warmed up (the first calls take seconds to compile and load). Each takes the window's samples,
    float32 (n,).

    Returns
    -------
    ``librosa_hop_ms`` : the baseline at librosa's default frame length and hop (2048, 512), as in most tutorials
    ``librosa_our_frames_hop_ms`` : the same at the model's frame length and hop, so that both compute the same number of frames
    ``librosa_same_features_hop_ms`` : librosa computing what flatstats and moments compute (pitch, centroid, deltas, ...)

    The baseline of a vector model is means of 128 MFCC, 12 chroma and 128 mel, then a torch MLP with random weights and as many
    parameters as ours. The baseline of a CNN is librosa's log-mel (and statistics, where it takes them) at its card's frame
    length and hop, then the same ONNX network. A model of raw audio computes no features and has no baseline.

    Raises
    ------
    ConfigError : librosa or torch is missing
    """
    librosa, torch = _import("librosa"), _import("torch")
    torch.set_num_threads(1)
    spec = model.spec
    if spec.recipe == "flat268" or spec.recipe in STATISTICS:
        network = _torch_mlp(torch, model)
        rate = spec.sample_rate
        ways: dict[str, Way] = {
            "librosa_hop_ms": lambda audio: network(_classic(librosa, audio, rate, _DEFAULT_N_FFT, _DEFAULT_HOP)),
            "librosa_our_frames_hop_ms": lambda audio: network(_classic(librosa, audio, rate, spec.n_fft, spec.hop_length)),
        }
        if spec.recipe in STATISTICS:
            ways["librosa_same_features_hop_ms"] = lambda audio: network(_statistics(librosa, audio, model)[: _classic_size()])
    elif spec.recipe == "stacked":
        ways = {"librosa_hop_ms": lambda audio: model.predict(_log_mel(librosa, audio, model)[np.newaxis])}
    elif spec.recipe == "joint":
        # librosa's statistics are in another order than ours: compute them for the time they take, and run the network on
        # zeros.
        zeros = np.zeros(model.front_end().n_statistics, np.float32)

        def both(audio: FloatArray) -> object:
            _statistics(librosa, audio, model)
            return model.predict(np.concatenate((zeros, _log_mel(librosa, audio, model).ravel()))[np.newaxis])

        ways = {"librosa_hop_ms": both}
    else:
        ways = {}
    noise = np.random.default_rng(0).normal(0, 0.1, model.front_end().window_frames * spec.hop_length + spec.n_fft)
    window = noise.astype(np.float32)[: spec.samples_in(model.front_end().window_frames)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for way in ways.values():
            for _ in range(3):
                way(window)
    return ways


def describe_way(model: Classifier) -> str:
    """Describe the baseline for this model in one line."""
    if model.spec.recipe == "flat268" or model.spec.recipe in STATISTICS:
        return "librosa mel, MFCC and chroma of the whole window, then a torch MLP of the same size"
    if model.spec.recipe == "stacked":
        return "librosa log-mel of the whole window, then the same ONNX network"
    if model.spec.recipe == "joint":
        return "librosa log-mel and statistics of the whole window, then the same ONNX network"
    return "none: a model of raw audio has no features to compute"


def require_packages() -> None:
    """Raise a ConfigError when librosa or torch is missing, before the measurement starts."""
    for name in ("librosa", "torch"):
        if sys.modules.get(name, name) is None or find_spec(name) is None:
            raise ConfigError(_MISSING.format(name))


def _import(name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hide the libraries' deprecation warnings, on which the user cannot act
            return import_module(name)
    except ImportError as error:
        raise ConfigError(_MISSING.format(name)) from error


def _classic_size() -> int:
    return _MFCC + _CHROMA + _MEL


def _classic(librosa: Any, audio: FloatArray, rate: int, n_fft: int, hop: int) -> FloatArray:
    """The features of most tutorials: three transforms, each from the samples, averaged over time."""
    frames = {"sr": rate, "n_fft": n_fft, "hop_length": hop}
    magnitude = np.abs(librosa.stft(audio, n_fft=n_fft, hop_length=hop))
    mfcc = librosa.feature.mfcc(y=audio, n_mfcc=_MFCC, **frames).mean(axis=1)
    chroma = librosa.feature.chroma_stft(S=magnitude, sr=rate, n_chroma=_CHROMA).mean(axis=1)
    mel = librosa.feature.melspectrogram(y=audio, n_mels=_MEL, **frames).mean(axis=1)
    return np.concatenate((mfcc, chroma, mel)).astype(np.float32)


def _statistics(librosa: Any, audio: FloatArray, model: Classifier) -> FloatArray:
    """The quantities of ``flatstats`` and ``moments`` from librosa, sharing one STFT."""
    spec, feature = model.spec, librosa.feature
    grid = {"frame_length": spec.n_fft, "hop_length": spec.hop_length}
    magnitude = np.abs(librosa.stft(audio, n_fft=spec.n_fft, hop_length=spec.hop_length, center=False))
    mel = feature.melspectrogram(S=magnitude**2, sr=spec.sample_rate, n_mels=spec.n_mels, fmin=spec.fmin, fmax=spec.fmax)
    log_mel = librosa.power_to_db(mel)
    mfcc = feature.mfcc(S=log_mel, n_mfcc=spec.n_mfcc)
    pitch = librosa.yin(audio, fmin=spec.pitch_min_hz, fmax=spec.pitch_max_hz, sr=spec.sample_rate, center=False, **grid)
    rows = [
        log_mel,
        mfcc,
        librosa.feature.delta(log_mel),
        librosa.feature.delta(mfcc),
        feature.spectral_centroid(S=magnitude, sr=spec.sample_rate),
        feature.spectral_rolloff(S=magnitude, sr=spec.sample_rate),
        feature.zero_crossing_rate(audio, center=False, **grid),
        feature.rms(S=magnitude, frame_length=spec.n_fft, hop_length=spec.hop_length),
        librosa.onset.onset_strength(S=log_mel, sr=spec.sample_rate)[np.newaxis],
        pitch[np.newaxis],
    ]
    parts = [np.vstack((row.mean(axis=1), row.std(axis=1), np.percentile(row, (10, 50, 90), axis=1))) for row in rows]
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


def _log_mel(librosa: Any, audio: FloatArray, model: Classifier) -> FloatArray:
    spec = model.spec
    mel = librosa.feature.melspectrogram(
        y=audio,
        sr=spec.sample_rate,
        n_fft=spec.n_fft,
        hop_length=spec.hop_length,
        n_mels=spec.n_mels,
        fmin=spec.fmin,
        fmax=spec.fmax,
        center=False,
    )
    log_mel: npt.NDArray[Any] = librosa.power_to_db(mel, top_db=spec.top_db)
    return log_mel.astype(np.float32)


def _torch_mlp(torch: Any, model: Classifier) -> Way:
    """An MLP of two hidden layers, wide enough to have as many parameters as the bundle's network."""
    inputs, outputs = _classic_size(), len(model.labels)
    parameters = model.card.raw.get("parameters")
    if not isinstance(parameters, int):
        parameters = model.card.onnx_path.stat().st_size // 4
    # inputs x w + w x w + w x outputs = parameters
    fan = inputs + outputs
    width = max(8, round((-fan + (fan**2 + 4 * parameters) ** 0.5) / 2))
    network = torch.nn.Sequential(
        torch.nn.Linear(inputs, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, outputs),
        torch.nn.Softmax(dim=-1),
    ).eval()

    def classify(features: FloatArray) -> object:
        with torch.inference_mode():
            return network(torch.from_numpy(features)[None]).numpy()

    return classify
