"""Benchmarks: ``run_bench`` measures latency, throughput, start-up and memory, and compares them with the targets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime_ser import __version__
from realtime_ser.bench.audio import read_audio
from realtime_ser.bench.processes import describe_machine, measure_processes
from realtime_ser.bench.speed import check_live, measure_hops, measure_live, measure_throughput
from realtime_ser.bench.stages import measure_stages
from realtime_ser.config import Config
from realtime_ser.errors import SinkError
from realtime_ser.model.classifier import load_model

# Targets for the mlp: figure, whether it must be at least or at most, and the value.
BARS: tuple[tuple[str, str, float], ...] = (
    ("speedup_vs_librosa", ">=", 20),
    ("realtime_factor", ">=", 500),
    ("startup_s", "<=", 0.8),
    ("rss_mb", "<=", 150),
    ("live_latency_ms.p99", "<=", 40),
)


@dataclass(frozen=True, slots=True)
class Effort:
    """Size of a measurement: seconds of audio for the stages, minutes for the throughput, windows for librosa, launches."""

    stages_s: float = 120.0
    minutes: int = 5
    windows: int = 120
    launches: int = 5


def run_bench(
    config: Config,
    *,
    against_librosa: bool = False,
    live_s: float | None = None,
    audio: str | Path | None = None,
    effort: Effort | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure.

    Parameters
    ----------
    config : settings; ``config.model`` is what is measured
    against_librosa : also time the librosa pipeline, on the same windows, alternating with ours
    live_s : also replay this many seconds in real time, through the ring, at 48 kHz
    audio : a recording of speech, its first five minutes are used; None: the shipped sample
    effort : how long to measure
    progress : called with one line that names the next step

    Returns
    -------
    what ``--json`` holds. Times of one hop are in ms, as min, p50, p95, p99 and max over the hops that were classified.

    ``hop_ms``, ``stages`` : as from a microphone: 48 kHz in blocks of ``capture.block_ms``, all stages enabled, summed over the
        blocks of a hop. ``gate_floor`` and ``gate_vad`` are the two parts of ``gate``; ``other`` is cutting, accounting and
        building the estimate.
    ``hop_without_vad_ms`` : samples at the model's rate in one block per hop, gated by the energy floor only
    ``realtime_factor``, ``realtime_factor_with_vad`` : seconds of audio per second of work, without and with the gate's VAD;
        the median over minutes of the looped recording, pauses included (``classified_share``: the share that is no pause).
        Work is the larger of wall time and CPU time of all threads, so that a second thread does not improve the figure.
    ``taken_by_others`` : share of that wall time in which this process was ready to run but other programs had the processor
    ``streams_per_core`` : hop length divided by ``hop_ms.p99``, rounded down: the number of microphones, VAD included, that one
        core serves in time even when each hop takes as long as the slowest hundredth.
    ``startup_s`` : from the start of a fresh ``python -m realtime_ser replay`` to its first line of an estimate, median
    ``rss_mb`` : peak resident memory of such a process over the recording (at most a minute of it), in 10^6 bytes; None on
        Windows
    ``librosa_hop_ms``, ``librosa_our_frames_hop_ms``, ``librosa_same_features_hop_ms`` : see ``bench.reference``
    ``speedup_vs_librosa`` : ``librosa_hop_ms.p50 / hop_without_vad_ms.p50``; the two alternate every few windows. These hops
        are in CPU time, so that load from other programs biases neither
    ``live_latency_ms`` : from the capture of a window's last sample to its estimate, less the time until the block that holds
        that sample is complete, which depends on the audio system. ``live_raw_latency_ms`` includes it
    ``bars`` : figure -> its value, the target for the shipped mlp, and whether it is met

    Raises
    ------
    ConfigError : no such model, too short a ``live_s``, or a package of the ``bench`` extra is missing
    SourceError : the recording cannot be read, or nobody speaks in it
    ModelError : a damaged bundle
    """
    effort = effort or Effort()
    if against_librosa:
        from realtime_ser.bench.reference import require_packages

        require_packages()
    path = Path(audio) if audio is not None else Path(__file__).parents[1] / "sample" / "demo.flac"
    model = load_model(config.model, vote=config.stream.vote)
    if live_s is not None:
        check_live(config, model, live_s)
    samples = read_audio(path, model.spec.sample_rate)
    figures: dict[str, Any] = {
        "model": model.card.name,
        "recipe": model.spec.recipe,
        "audio": path.name,
        "version": __version__,
        "machine": describe_machine(),
    }
    progress("start-up and memory of fresh processes")
    figures |= measure_processes(config, path, effort.launches)
    progress("stages")
    figures |= measure_stages(config, samples, effort.stages_s)
    progress("throughput")
    figures |= measure_throughput(config, model, samples, effort.minutes)
    progress("one hop" + (" against librosa (its first calls take seconds)" if against_librosa else ""))
    figures |= measure_hops(config, model, samples, effort.windows, against_librosa=against_librosa)
    if live_s is not None:
        progress(f"{live_s:g} s at real pace")
        figures |= measure_live(config, model, samples, live_s)
    figures["bars"] = _against_bars(figures)
    return figures


def write_figures(figures: Any, path: str | Path) -> None:
    """Write the figures as JSON, whole or not at all.

    Raises
    ------
    SinkError : the file cannot be written
    """
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SinkError(f"cannot write {path}: {error.strerror or error}; choose another place with --json") from error


def look_up(figures: Mapping[str, Any], key: str) -> float | None:
    """The figure under a dotted key such as "live_latency_ms.p99"; None if it was not measured."""
    value: Any = figures
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, int | float) else None


def _against_bars(figures: Mapping[str, Any]) -> dict[str, Any]:
    rows = {}
    for key, sense, bar in BARS:
        value = look_up(figures, key)
        if value is not None:
            rows[key] = {"value": value, "bar": f"{sense} {bar:g}", "met": value >= bar if sense == ">=" else value <= bar}
    return rows
