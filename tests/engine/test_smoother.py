"""What a person sees over time: in seconds, whatever the hop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_ser.config import SmoothingConfig
from realtime_ser.engine.filters import EmaFilter, HmmFilter, MajorityFilter, NoFilter, make_filter
from realtime_ser.engine.segmenter import Segmenter
from realtime_ser.engine.smoother import Smoother
from realtime_ser.records import Segment

LABELS = ("neutral", "happy", "sad")
HAPPY = np.array([0.1, 0.8, 0.1], np.float32)
SAD = np.array([0.1, 0.1, 0.8], np.float32)
NEUTRAL = np.array([0.8, 0.1, 0.1], np.float32)
FLAT = np.array([0.34, 0.33, 0.33], np.float32)
HOPS = (0.05, 0.1, 0.25, 0.5)


def smoother(**changes: float | str) -> Smoother:
    """With ``change`` "lead" unless said."""
    return Smoother(LABELS, SmoothingConfig(**{"change": "lead", "neutral_share": None, **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize("hop_s", HOPS)
def test_ema_step_response_is_in_seconds(hop_s: float) -> None:
    ema = EmaFilter(1.0)
    ema.update(np.array([1, 0], np.float32), hop_s)
    for _ in range(round(2.0 / hop_s)):
        after = ema.update(np.array([0, 1], np.float32), hop_s)
    np.testing.assert_allclose(after, [np.exp(-2.0), 1 - np.exp(-2.0)], rtol=1e-6)


def test_ema_with_no_time_constant_and_no_filter_pass_through() -> None:
    for passing in (EmaFilter(0.0), NoFilter()):
        passing.update(HAPPY, 0.25)
        np.testing.assert_array_equal(passing.update(SAD, 0.25), SAD)


@pytest.mark.parametrize("hop_s", HOPS)
def test_majority_turns_after_half_its_span(hop_s: float) -> None:
    majority = MajorityFilter(2.0)
    for _ in range(round(4.0 / hop_s)):
        assert majority.update(HAPPY, hop_s)[1] == 1.0
    turned_s = 0.0
    while majority.update(SAD, hop_s)[2] <= 0.5:
        turned_s += hop_s
    assert turned_s == pytest.approx(1.0, abs=hop_s + 1e-9)
    for _ in range(round(2.0 / hop_s)):
        shares = majority.update(SAD, hop_s)
    assert shares[2] == pytest.approx(1.0)


@pytest.mark.parametrize("hop_s", HOPS)
@pytest.mark.parametrize("stay", [0.5, 0.7, 0.95])
def test_hmm_stays_with_its_probability_per_second(hop_s: float, stay: float) -> None:
    """With nothing to see (equal likelihoods) the belief decays as the chain does: to ``stay`` after a second."""
    hmm = HmmFilter(stay)
    hmm._belief = np.array([0.0, 1.0, 0.0])
    equal = np.full(3, 1 / 3, np.float32)
    for _ in range(round(1.0 / hop_s)):
        belief = hmm.update(equal, hop_s)
    np.testing.assert_allclose(belief, [(1 - stay) / 2, stay, (1 - stay) / 2], rtol=1e-6)


def test_hmm_believes_the_same_whatever_the_hop() -> None:
    """Four times as many windows, each with a quarter of the news."""
    weak = np.array([0.3, 0.4, 0.3], np.float32)
    beliefs = []
    for hop_s in (0.05, 0.1, 0.2):
        hmm = HmmFilter(0.99, evidence_s=0.5)
        hmm.update(weak, hop_s)
        for _ in range(round(2.0 / hop_s)):
            belief = hmm.update(weak, hop_s)
        beliefs.append(belief[1])
    assert beliefs[0] == pytest.approx(beliefs[1], abs=0.01) == pytest.approx(beliefs[2], abs=0.02)
    # 1 + 2 / 0.5 windows' worth of odds of 4 to 3, were the chain to stay for ever.
    assert beliefs[0] == pytest.approx(1 / (1 + 2 * (3 / 4) ** 5), abs=0.03)


def test_hmm_gathers_evidence_and_changes_its_mind() -> None:
    hmm = HmmFilter(0.7)
    weak = np.array([0.3, 0.4, 0.3], np.float32)
    first = hmm.update(weak, 0.25)[1]
    for _ in range(8):
        later = hmm.update(weak, 0.25)[1]
    assert later > first
    for _ in range(8):
        belief = hmm.update(SAD, 0.25)
    assert np.argmax(belief) == 2


@given(
    method=st.sampled_from(["ema", "majority", "hmm", "none"]),
    rows=st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=30),
    hops=st.lists(st.floats(0.01, 5), min_size=30, max_size=30),
)
def test_every_filter_returns_probabilities(method: str, rows: list[list[float]], hops: list[float]) -> None:
    chosen = make_filter(SmoothingConfig(method=method))
    for row, hop_s in zip(rows, hops, strict=False):
        probs = np.array(row) + 1e-9
        out = chosen.update((probs / probs.sum()).astype(np.float32), hop_s)
        assert out.shape == (3,)
        assert (out >= 0).all()
        assert out.sum() == pytest.approx(1.0, abs=1e-5)


def labels_over(smooth: Smoother, script: list[tuple[np.ndarray, float]], hop_s: float) -> list[str | None]:
    """Labels after every hop; the script gives probabilities and for how many seconds."""
    return [smooth.speech(probs, hop_s)[1] for probs, seconds in script for _ in range(round(seconds / hop_s))]


@pytest.mark.parametrize("hop_s", HOPS)
def test_a_flicker_shorter_than_hold_never_changes_the_label(hop_s: float) -> None:
    smooth = smoother(method="none", hold_s=1.0, unsure_below=0.0)
    flicker = [(HAPPY, 2.0), (SAD, 1.0 - hop_s), (HAPPY, 0.5), (NEUTRAL, 1.0 - hop_s), (SAD, 1.0 - hop_s)] * 3
    assert set(labels_over(smooth, flicker, hop_s)) == {"happy"}


@pytest.mark.parametrize("hop_s", HOPS)
def test_a_lasting_change_shows_after_hold(hop_s: float) -> None:
    smooth = smoother(method="none", hold_s=1.0, unsure_below=0.0)
    labels = labels_over(smooth, [(HAPPY, 2.0), (SAD, 2.0)], hop_s)
    assert labels.index("sad") * hop_s == pytest.approx(2.0 + 1.0 - hop_s)
    assert labels[-1] == "sad"


def test_without_hold_the_leader_leads_at_once() -> None:
    smooth = smoother(method="none", hold_s=0.0, margin=0.0)
    assert labels_over(smooth, [(HAPPY, 0.5), (SAD, 0.5)], 0.25) == ["happy", "happy", "sad", "sad"]


def test_a_lead_smaller_than_the_margin_changes_nothing() -> None:
    smooth = smoother(method="none", margin=0.1, hold_s=0.25, unsure_below=0.0)
    close = np.array([0.0, 0.46, 0.54], np.float32)
    assert set(labels_over(smooth, [(HAPPY, 1.0), (close, 5.0)], 0.25)) == {"happy"}
    clear = np.array([0.0, 0.44, 0.56], np.float32)
    assert labels_over(smooth, [(clear, 1.0)], 0.25)[-1] == "sad"


def test_low_confidence_is_unsure_and_names_no_label() -> None:
    smooth = smoother(method="none", unsure_below=0.4)
    assert smooth.speech(HAPPY, 0.25) == ("speech", "happy", pytest.approx(0.8))
    state, label, confidence = smooth.speech(FLAT, 0.25)
    assert (state, label) == ("unsure", None)
    assert confidence < 0.4
    assert smooth.speech(HAPPY, 0.25)[0] == "speech"


def test_silence_makes_it_forget_and_a_short_pause_does_not() -> None:
    smooth = smoother(method="ema", time_constant_s=10.0, forget_s=1.0, keep_label_s=1.0)
    labels_over(smooth, [(HAPPY, 5.0)], 0.25)
    for _ in range(3):
        smooth.silence(0.25)
    assert smooth.speech(SAD, 0.25)[1] == "happy", "a pause of 0.75 s"
    for _ in range(4):
        smooth.silence(0.25)
    assert len(smooth.smoothed) == 0
    assert smooth.speech(SAD, 0.25)[1] == "sad", "silence of a second"


def test_after_silence_the_label_stands_until_another_leads() -> None:
    """A voice that goes on is not flipped by the first syllable after a pause; its past no longer weighs."""
    smooth = smoother(method="ema", time_constant_s=10.0, forget_s=1.0, keep_label_s=4.0, hold_s=0.5, unsure_below=0.0)
    labels_over(smooth, [(HAPPY, 5.0)], 0.25)
    for _ in range(8):
        smooth.silence(0.25)
    assert len(smooth.smoothed) == 0
    assert smooth.speech(SAD, 0.25)[1] == "happy"
    np.testing.assert_allclose(smooth.smoothed, SAD)
    assert smooth.speech(SAD, 0.25)[1] == "sad", "half a second of lead"
    for _ in range(16):
        smooth.silence(0.25)
    assert smooth.speech(HAPPY, 0.25)[1] == "happy", "four seconds of silence"


def test_time_passes_in_a_pause() -> None:
    """A short pause ages the past: the filter does not treat the windows on both sides as neighbours."""
    paused, steady = smoother(method="ema", time_constant_s=1.0), smoother(method="ema", time_constant_s=1.0)
    for smooth in (paused, steady):
        smooth.speech(HAPPY, 0.25)
    paused.silence(0.75)
    paused.speech(SAD, 0.25)
    steady.speech(SAD, 0.25)
    np.testing.assert_allclose(paused.smoothed[2], 0.8 - 0.7 * np.exp(-1.0), rtol=1e-5)
    assert paused.smoothed[2] > steady.smoothed[2]


def test_an_interrupted_lead_begins_anew() -> None:
    """Two flickers do not add up to one change."""
    smooth = smoother(method="none", hold_s=0.5, unsure_below=0.0)
    smooth.speech(HAPPY, 0.25)
    assert smooth.speech(SAD, 0.25)[1] == "happy"
    assert smooth.speech(HAPPY, 0.25)[1] == "happy"
    assert smooth.speech(SAD, 0.25)[1] == "happy", "the lead began anew"


@pytest.mark.parametrize("hop_s", HOPS)
def test_cusum_changes_the_label_after_the_seconds_that_its_evidence_takes(hop_s: float) -> None:
    """A label 0.8 to 0.1 ahead gives log(0.82 / 0.12) = 1.92 nats: less 0.92 of drift, one nat-second in a second."""
    drift = float(np.log(0.82 / 0.12)) - 1.0
    smooth = smoother(method="none", change="cusum", cusum_drift=drift, cusum_threshold=1.0, unsure_below=0.0)
    labels = labels_over(smooth, [(HAPPY, 2.0), (SAD, 2.0)], hop_s)
    assert labels.index("sad") * hop_s == pytest.approx(2.0 + 1.0 - hop_s)
    assert labels[-1] == "sad"


def test_cusum_never_changes_for_less_than_its_drift_however_long() -> None:
    smooth = smoother(method="none", change="cusum", cusum_drift=0.5, cusum_threshold=0.1, unsure_below=0.0)
    close = np.array([0.1, 0.4, 0.5], np.float32)  # log(0.52 / 0.42) = 0.21 nats
    assert set(labels_over(smooth, [(HAPPY, 1.0), (close, 60.0)], 0.25)) == {"happy"}


def test_cusum_adds_up_what_comes_in_pieces_but_the_standing_label_takes_it_back() -> None:
    def after(script: list[tuple[np.ndarray, float]]) -> str | None:
        smooth = smoother(method="none", change="cusum", cusum_drift=0.5, cusum_threshold=1.5, unsure_below=0.0)
        return labels_over(smooth, [(HAPPY, 1.0), *script], 0.25)[-1]

    undecided = np.array([0.2, 0.4, 0.4], np.float32)
    assert after([(SAD, 0.75)]) == "happy", "1.06 nat-seconds"
    assert after([(SAD, 0.75), (undecided, 0.25), (SAD, 0.75)]) == "sad", "1.06, 0.94, 2.0"
    assert after([(SAD, 0.75), (HAPPY, 1.0), (SAD, 0.75)]) == "happy"


def test_cusum_waits_for_the_filter() -> None:
    """The label never stands against what the bars show."""
    smooth = smoother(
        method="ema", time_constant_s=5.0, change="cusum", cusum_drift=0.0, cusum_threshold=0.01, unsure_below=0.0
    )
    labels_over(smooth, [(HAPPY, 10.0)], 0.25)
    for _ in range(40):
        label = smooth.speech(SAD, 0.25)[1]
        assert label is not None
        assert smooth.smoothed[LABELS.index(label)] == pytest.approx(smooth.smoothed.max())


def test_silence_takes_the_evidence_but_leaves_the_label() -> None:
    smooth = smoother(change="cusum", cusum_drift=0.5, cusum_threshold=1.5, forget_s=1.0, keep_label_s=8.0, unsure_below=0.0)
    labels_over(smooth, [(HAPPY, 2.0), (SAD, 0.75)], 0.25)
    for _ in range(4):
        smooth.silence(0.25)
    assert labels_over(smooth, [(SAD, 1.0)], 0.25)[:3] == ["happy"] * 3


@pytest.mark.parametrize("change", ["cusum", "lead"])
def test_reset_equals_new(change: str) -> None:
    used, new = smoother(change=change), smoother(change=change)
    labels_over(used, [(HAPPY, 3.0), (SAD, 0.5)], 0.25)
    used.reset()
    script = [(SAD, 1.0), (NEUTRAL, 1.0)]
    assert labels_over(used, script, 0.25) == labels_over(new, script, 0.25)
    np.testing.assert_array_equal(used.smoothed, new.smoothed)


@given(
    hops=st.lists(
        st.tuples(st.sampled_from(["happy", "sad", None, "silence", "gap"]), st.integers(1, 500), st.floats(0, 1)), max_size=60
    )
)
def test_segments_tile_the_classified_hops(hops: list[tuple[str | None, int, float]]) -> None:
    segmenter = Segmenter(100)
    segments: list[Segment] = []
    tiled: dict[int, tuple[str, float]] = {}
    position = 0
    for label, size, confidence in hops:
        ended: Segment | None
        if label in ("silence", "gap"):
            ended = segmenter.close()
        else:
            ended = segmenter.extend(label, position, position + size, confidence)
            tiled.update(dict.fromkeys(range(position, position + size), (label or "unsure", confidence)))
        segments += [ended] if ended else []
        position += size
    last = segmenter.close()
    segments += [last] if last else []
    assert segmenter.close() is None

    covered: dict[int, str] = {}
    for segment in segments:
        assert segment.end > segment.start
        within = range(segment.start, segment.end)
        assert not covered.keys() & set(within), "segments overlap"
        covered.update(dict.fromkeys(within, segment.label))
        expected = np.mean([tiled[index][1] for index in within])
        assert segment.confidence == pytest.approx(expected, abs=1e-9)
        assert segment.end_s - segment.start_s == pytest.approx((segment.end - segment.start) / 100)
    assert covered == {index: label for index, (label, _) in tiled.items()}
    for before, after in pairwise(segments):
        assert before.end < after.start or before.label != after.label, "one label, two segments without a break"
