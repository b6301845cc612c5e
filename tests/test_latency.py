from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_ser.latency import LatencyHistogram


@given(st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=300))
def test_percentiles_are_right_to_one_percent(latencies: list[float]) -> None:
    histogram = LatencyHistogram()
    for latency in latencies:
        histogram.add(latency)
    result = histogram.percentiles_ms()
    for name, share in (("p50", 50), ("p95", 95), ("p99", 99)):
        exact = float(np.percentile(latencies, share, method="inverted_cdf")) * 1000
        assert result[name] == pytest.approx(exact, rel=0.011, abs=2e-4)
    assert result["max"] == pytest.approx(max(latencies) * 1000, abs=1e-4)
    assert result["p50"] <= result["p95"] <= result["p99"] <= result["max"]


def test_nothing_counted_is_no_figure() -> None:
    assert LatencyHistogram().percentiles_ms() == {}


def test_absurd_latencies_are_kept_in_the_last_bin() -> None:
    histogram = LatencyHistogram()
    histogram.add(1e9)
    histogram.add(0.0)
    assert histogram.percentiles_ms()["max"] == 1e12
