"""One stream: the same answers whatever the pieces, and every sample accounted for at every moment."""

from __future__ import annotations

import copy
import json
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_stream import OPEN, check_accounts, hear, plain

from bundles import RATE, Recording, Samples
from realtime_ser.audio.resample import Resampler
from realtime_ser.config import Config, GateConfig, StreamConfig
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.records import Block, Estimate
from stub_model import StubClassifier


@pytest.mark.slow
@settings(max_examples=8)
@given(data=st.data())
def test_at_the_models_rate_pieces_equal_the_whole_bit_for_bit(
    data: st.DataObject, classifier: Classifier, talk: Samples
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(talk)), max_size=40))
    config = Config()
    whole, pieces = Recording(classifier), Recording(classifier)
    expected = hear(Engine(whole, config), talk, RATE, [])
    got = hear(Engine(pieces, config), talk, RATE, cuts)
    assert plain(got) == plain(expected)
    for one, other in zip(pieces.seen, whole.seen, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any(estimate.state != "no_speech" for estimate in expected), "the test must hear speech to say anything"


@pytest.mark.slow
@settings(max_examples=5)
@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
@given(data=st.data())
def test_at_other_rates_pieces_equal_the_whole(rate: int, data: st.DataObject, classifier: Classifier, talk: Samples) -> None:
    samples = Resampler(RATE, rate).push(talk, last=True)
    cuts = data.draw(st.lists(st.integers(0, len(samples)), max_size=20))
    regular = data.draw(st.sampled_from([0, rate // 50, 1000]))
    cuts += list(range(0, len(samples), regular)) if regular else []
    whole, pieces = Recording(classifier), Recording(classifier)
    expected = hear(Engine(whole), samples, rate, [])
    got = hear(Engine(pieces), samples, rate, cuts)
    assert [(e.start, e.end, e.state, e.label) for e in got] == [(e.start, e.end, e.state, e.label) for e in expected]
    for one, other in zip(pieces.seen, whole.seen, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.sqrt(np.mean(other**2)))
    for one_estimate, other_estimate in zip(got, expected, strict=True):
        np.testing.assert_allclose(one_estimate.smoothed, other_estimate.smoothed, atol=1e-4)


def test_pushing_arrays_equals_pushing_blocks(classifier: Classifier, talk: Samples) -> None:
    blocks, arrays = Engine(classifier), Engine(classifier)
    expected = hear(blocks, talk, RATE, [30_000, 70_000])
    got = [estimate for piece in np.split(talk, [11, 5000]) for estimate in arrays.push(piece)] + arrays.flush()
    assert plain(got) == plain(expected)
    assert arrays.health == blocks.health


def test_windows_lie_where_the_card_and_config_say(classifier: Classifier) -> None:
    engine = Engine(classifier, Config(gate=OPEN.gate, stream=StreamConfig(hop_s=0.5)))
    spec = classifier.spec
    assert engine.window == pytest.approx(2.0 * RATE, abs=spec.hop_length)
    assert engine.min_window == pytest.approx(1.0 * RATE, abs=spec.hop_length)
    assert engine.hop == 0.5 * RATE
    estimates = engine.push(np.zeros(5 * RATE, np.float32))
    assert [estimate.end for estimate in estimates] == list(range(engine.min_window, 5 * RATE + 1, engine.hop))
    for estimate in estimates:
        assert estimate.start == max(0, estimate.end - engine.window)
    assert [estimate.hop for estimate in estimates] == [engine.min_window] + [engine.hop] * (len(estimates) - 1)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
def test_capture_time_is_that_of_the_windows_last_sample(rate: int, classifier: Classifier) -> None:
    engine = Engine(classifier, OPEN)
    began = 1234.5
    estimates = []
    for start in range(0, 4 * rate, rate // 50):
        samples = np.zeros(rate // 50, np.float32)
        estimates += engine.push(Block(samples, rate, start, captured_at=began + (start + len(samples)) / rate))
    assert len(estimates) > 10
    for estimate in estimates:
        assert estimate.captured_at == pytest.approx(began + estimate.end / RATE, abs=1e-6)


def test_without_a_clock_there_is_no_capture_time(classifier: Classifier) -> None:
    estimates = Engine(classifier, OPEN).push(np.zeros(2 * RATE, np.float32))
    assert {estimate.captured_at for estimate in estimates} == {None}


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize(("seconds", "windows"), [(0.0, 0), (0.0001, 0), (0.3, 0), (0.6, 1), (0.99, 1), (1.2, 2), (2.05, 6)])
def test_short_streams(rate: int, seconds: float, windows: int, classifier: Classifier) -> None:
    engine = Engine(classifier, OPEN)
    count = int(np.ceil(seconds * rate))
    samples = np.random.default_rng(0).normal(0, 0.1, count).astype(np.float32)
    estimates = engine.push(Block(samples, rate, 0)) + engine.flush()
    assert len(estimates) == windows
    check_accounts(engine)
    length = round(count * RATE / rate)
    assert engine.health.captured == length
    assert engine.health.classified == (length if windows else 0)
    assert engine.flush() == []


def test_exactly_one_window(classifier: Classifier) -> None:
    engine = Engine(classifier, OPEN)
    samples = np.random.default_rng(0).normal(0, 0.1, engine.min_window).astype(np.float32)
    assert engine.push(samples[:-1]) == []
    (estimate,) = engine.push(samples[-1:])
    assert (estimate.start, estimate.end, estimate.hop) == (0, engine.min_window, engine.min_window)
    assert engine.flush() == []
    assert engine.health.pending == 0


def test_reset_equals_new(classifier: Classifier, talk: Samples) -> None:
    used = Engine(classifier)
    used.push(Block(talk[::-1].copy(), 48_000, 12_345, captured_at=3.0, xruns=2))
    used.push(Block(np.full(100, np.nan, np.float32), 22_050, 10_000_000))
    used.reset()
    new = Engine(classifier)
    assert used.health == new.health
    assert used.take_segments() == []
    assert plain(hear(used, talk, RATE, [40_000])) == plain(hear(new, talk, RATE, [40_000]))
    assert used.health == new.health
    assert used.take_segments() == new.take_segments()


def test_level_is_that_of_the_hop(classifier: Classifier) -> None:
    engine = Engine(classifier, OPEN)
    tone = np.sqrt(2) * 0.1 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)
    estimates = engine.push(np.concatenate((tone, np.zeros(3 * RATE))).astype(np.float32))
    assert estimates[4].level_dbfs == pytest.approx(-20, abs=0.05)
    assert estimates[-1].level_dbfs == -120


def test_silence_says_nobody_and_names_no_emotion(classifier: Classifier) -> None:
    engine = Engine(classifier)
    estimates = engine.push(np.zeros(5 * RATE, np.float32)) + engine.flush()
    for estimate in estimates:
        assert (estimate.state, estimate.label, estimate.confidence) == ("no_speech", None, 0.0)
        assert estimate.probs == () == estimate.smoothed
    assert engine.health.gated == 5 * RATE == engine.health.captured
    assert engine.take_segments() == []


def test_estimates_are_plain_numbers(classifier: Classifier, talk: Samples) -> None:
    """Sinks write them as they are: JSON knows no NumPy."""
    estimates = Engine(classifier, OPEN).push(talk)
    text = json.dumps(plain(estimates))
    assert json.loads(text)[0]["labels"] == list(classifier.labels)
    for estimate in estimates:
        assert sum(estimate.probs) == pytest.approx(1, abs=1e-4)
        assert sum(estimate.smoothed) == pytest.approx(1, abs=1e-4)
        assert 0 <= estimate.confidence <= 1
        assert 0 <= estimate.speech_ratio <= 1


def test_pickling_says_what_to_do_instead(classifier: Classifier) -> None:
    for thing, words in ((Engine(classifier), "make the Engine in the process"), (classifier, "load_model")):
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=words):
                attempt(thing)


@pytest.mark.parametrize("method", ["push", "skip", "flush", "reset"])
def test_two_threads_in_one_engine_get_an_error_and_not_a_mixture(method: str) -> None:
    engine = Engine(StubClassifier(sleep_s=0.3), OPEN)
    samples = np.zeros(engine.min_window, np.float32)
    inside = threading.Event()
    predict = engine.model.predict

    def announced(features: Samples) -> Samples:
        inside.set()
        return predict(features)

    engine.model.predict = announced
    estimates: list[Estimate] = []
    other = threading.Thread(target=lambda: estimates.extend(engine.push(samples)))
    other.start()
    assert inside.wait(20)
    arguments = {"push": (samples,), "skip": (Block(samples, engine.sample_rate, 10**6),)}.get(method, ())
    with pytest.raises(ConfigError, match=rf"Engine\.{method}.*one Engine for each stream"):
        getattr(engine, method)(*arguments)
    other.join()
    assert len(estimates) == 1
    assert engine.health.captured == engine.health.classified == len(samples)
    # One after the other is fine, from whatever thread; and so it is after an error.
    with pytest.raises(SourceError):
        engine.push(None)
    assert len(engine.push(samples)) == engine.min_window // engine.hop


def test_offset_and_rumble_change_nothing_and_a_gap_starts_the_filter_afresh(classifier: Classifier, talk: Samples) -> None:
    """The level is the voice's, and so is what the model gets."""
    t = np.arange(len(talk)) / RATE
    added = (0.1 + 0.05 * np.sin(2 * np.pi * 20 * t)).astype(np.float32)
    clean, offset, again = Engine(classifier), Engine(classifier), Engine(classifier)
    expected = clean.push(talk) + clean.flush()
    got = offset.push(talk + added) + offset.flush()
    # In a pause, what the filter leaves of the rumble may decide.
    assert np.mean([one.state == other.state for one, other in zip(got, expected, strict=True)]) > 0.9
    spoken = [pair for pair in zip(got, expected, strict=True) if pair[1].level_dbfs > -50]
    assert len(spoken) > 10
    for one, other in spoken:
        assert one.level_dbfs == pytest.approx(other.level_dbfs, abs=0.3)
        assert one.speech_ratio == pytest.approx(other.speech_ratio, abs=0.1)
    again.push(Block(talk + added, RATE, 0))
    late = again.push(Block(np.full(2 * RATE, 0.3, np.float32), RATE, 10 * RATE))
    assert {estimate.level_dbfs for estimate in late[-4:]} == {-120.0}, "the offset that a piece begins with is no step"


@pytest.mark.parametrize(("config", "word_at_s"), [(Config(), 0.1), (Config(stream=StreamConfig(hop_s=1.0)), 1.1)])
def test_a_short_word_long_before_its_window_ends_is_classified(
    config: Config, word_at_s: float, classifier: Classifier
) -> None:
    """No earlier window had it: in a stream's first second, and with hops longer than ``gate.speech_within_s``."""
    config = replace(config, gate=replace(config.gate, vad=False, model=False))
    audio = np.zeros(round(2.5 * RATE), np.float32)
    first = round(word_at_s * RATE)
    audio[first : first + round(0.3 * RATE)] = np.random.default_rng(0).normal(0, 0.1, round(0.3 * RATE))
    engine = Engine(classifier, config)
    heard = [estimate.end for estimate in engine.push(audio) if estimate.state != "no_speech"]
    assert heard == [engine.min_window if word_at_s < 1 else engine.min_window + engine.hop]


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_rumble_twenty_decibels_over_the_voice_hardly_moves_an_answer(name: str, talk: Samples) -> None:
    """With a filter 45 dB down at 60 Hz even the gate decided otherwise in some windows."""
    walk = np.fft.rfft(np.cumsum(np.random.default_rng(0).standard_normal(len(talk))))
    frequency = np.fft.rfftfreq(len(talk), 1 / RATE)
    walk[(frequency < 1) | (frequency > 60)] = 0
    rumble = np.fft.irfft(walk, len(talk))
    voice = np.sqrt(np.mean(talk[np.abs(talk) > 0.01] ** 2))
    rumble *= 10 * voice / np.sqrt(np.mean(rumble**2))
    # Both softer together, as a microphone would have to record them.
    scale = max(1.0, float(np.abs(talk + rumble).max()))
    config = Config(gate=GateConfig(model=False))  # a made-up voice may be nobody's to a model, as where the corpora are not
    clean, shaken = Engine(load_model(name), config), Engine(load_model(name), config)
    expected = clean.push((talk / scale).astype(np.float32)) + clean.flush()
    got = shaken.push(((talk + rumble) / scale).astype(np.float32)) + shaken.flush()
    assert [one.state == "no_speech" for one in got] == [one.state == "no_speech" for one in expected]
    both = [(one.probs, other.probs) for one, other in zip(got, expected, strict=True) if one.probs and other.probs]
    assert len(both) > 20
    assert np.mean([np.abs(np.subtract(*pair)).sum() / 2 for pair in both]) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["flatstats", "moments", "stacked"])
def test_engines_in_threads_say_what_each_says_alone(recipe: str, bundles: dict[str, Path], talk: Samples) -> None:
    """One model and one voice detector for all; every stream its own. The last one changes its rate on the way."""
    model = load_model(bundles[recipe])
    streams = [np.roll(talk, 7000 * number) * np.float32(0.5**number) for number in range(6)]

    def listen(number: int) -> list[dict[str, Any]]:
        engine, estimates = Engine(model), []
        rate = 48_000 if number == 5 else RATE
        samples = Resampler(RATE, rate).push(streams[number], last=True) if rate != RATE else streams[number]
        for start in range(0, len(samples), 1600):
            estimates += engine.push(Block(samples[start : start + 1600], rate, start))
            check_accounts(engine)
        return plain(estimates + engine.flush())

    expected = [listen(number) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(listen, range(6)))
    assert got == expected
    assert any(row["state"] != "no_speech" for row in expected[0])


def test_an_engine_more_costs_little(classifier: Classifier) -> None:
    """A server holds one for each client. Measured: 0.5 MB and 1.5 ms; with a detector of its own it was 10 MB and 66 ms."""
    times = []
    engines = []
    Engine(classifier)
    for _ in range(30):
        started = time.perf_counter()
        engines.append(Engine(classifier))
        times.append(time.perf_counter() - started)
    assert min(times) < 0.015
    assert len({id(engine._gate._detector._session) for engine in engines if engine._gate._detector}) == 1
