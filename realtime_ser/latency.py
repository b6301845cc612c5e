"""Percentiles of latencies in constant memory."""

from __future__ import annotations

import numpy as np

_LOW_S, _HIGH_S = 1e-6, 1e4
_PER_DECADE = 230  # bins 1 % wide: percentiles are accurate to 0.5 %


class LatencyHistogram:
    """Counts latencies in logarithmic bins from a microsecond to hours, so that memory does not grow with the stream."""

    def __init__(self) -> None:
        decades = np.log10(_HIGH_S / _LOW_S)
        self._counts = np.zeros(int(decades * _PER_DECADE) + 1, np.int64)
        self._max_s = 0.0

    def add(self, latency_s: float) -> None:
        """Count one latency in seconds, at least 0."""
        position = np.log10(max(latency_s, _LOW_S) / _LOW_S) * _PER_DECADE
        self._counts[min(int(position), len(self._counts) - 1)] += 1
        self._max_s = max(self._max_s, latency_s)

    def percentiles_ms(self) -> dict[str, float]:
        """p50, p95, p99 and max in milliseconds; empty if nothing was counted."""
        total = int(self._counts.sum())
        if not total:
            return {}
        cumulative = np.cumsum(self._counts)
        result = {}
        for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
            index = int(np.searchsorted(cumulative, share * total))
            middle = _LOW_S * 10 ** ((index + 0.5) / _PER_DECADE)
            result[name] = round(min(middle, self._max_s) * 1000, 4)
        return result | {"max": round(self._max_s * 1000, 4)}
