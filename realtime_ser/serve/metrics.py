"""What the server counts, as Prometheus text. Each server has a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from realtime_ser.records import Estimate, Health

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATENCIES_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5)


class Metrics:
    """Counters of one server. Any thread may count."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        prefix, registry = "realtime_ser", self._registry
        self.open = Gauge(f"{prefix}_streams", "streams that are open", registry=registry)
        self.waiting = Gauge(f"{prefix}_streams_waiting", "streams with audio that waits for a worker", registry=registry)
        self._began = Counter(f"{prefix}_streams_begun", "streams begun", ["model"], registry=registry)
        self._windows = Counter(f"{prefix}_windows", "windows, by what was found in them", ["state"], registry=registry)
        self._audio = Counter(
            f"{prefix}_audio_seconds", "seconds of audio, by what became of them", ["fate"], registry=registry
        )
        self._latency = Histogram(
            f"{prefix}_latency_seconds", "from a window's last sample to its record", buckets=_LATENCIES_S, registry=registry
        )
        self._unsent = Counter(f"{prefix}_windows_unsent", "windows dropped for clients that read slowly", registry=registry)
        self._rejected = Counter(f"{prefix}_rejected", "errors and refusals, by reason", ["reason"], registry=registry)
        self._uploads = Counter(f"{prefix}_uploads", "files classified, by outcome", ["outcome"], registry=registry)

    def began(self, model: str) -> None:
        """A stream began."""
        self._began.labels(model).inc()

    def window(self, estimate: Estimate) -> None:
        """A window was classified or gated."""
        self._windows.labels(estimate.state).inc()
        if estimate.latency_s is not None:
            self._latency.observe(estimate.latency_s)

    def audio(self, before: Health, now: Health, sample_rate: int) -> None:
        """Samples have been accounted for since ``before``."""
        for fate in ("classified", "gated", "dropped"):
            more = getattr(now, fate) - getattr(before, fate)
            if more > 0:
                self._audio.labels(fate).inc(more / sample_rate)

    def ended(self, health: Health, unsent: int, sample_rate: int) -> None:
        """A stream ended; what was still pending stays so."""
        if health.pending:
            self._audio.labels("pending").inc(health.pending / sample_rate)
        if unsent:
            self._unsent.inc(unsent)

    def rejected(self, reason: str) -> None:
        """A message, a stream or a request was refused."""
        self._rejected.labels(reason).inc()

    def upload(self, outcome: str) -> None:
        """A file was classified, or not."""
        self._uploads.labels(outcome).inc()

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return bytes(generate_latest(self._registry))
