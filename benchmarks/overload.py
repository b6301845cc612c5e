"""Latency over time before, during and after an overload, as a picture.

    python benchmarks/overload.py --how slow-model                      # each window takes 0.6 s for a while
    python benchmarks/overload.py --how hogs --seconds 90 --hogs 8      # other programs take the processor for a while

The shipped sample is played in a loop in real time. The middle third of the run is overloaded.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from realtime_ser.audio.array import ArraySource
from realtime_ser.audio.realtime import PacedSource
from realtime_ser.config import load_config
from realtime_ser.engine.engine import Engine
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.pipeline.run import listen
from realtime_ser.records import Estimate, FloatArray, Health, Notice, Record

ROOT = Path(__file__).parents[1]
BUCKET_S = 1.0


class SlowClassifier:
    """A model that takes ``extra_s`` longer while ``slow`` is set; all else is the model's own."""

    def __init__(self, model: Classifier, extra_s: float) -> None:
        self.model, self.extra_s, self.slow = model, extra_s, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def predict(self, features: FloatArray) -> FloatArray:
        if self.slow:
            time.sleep(self.extra_s)
        return self.model.predict(features)


class Hogs:
    """Processes that take the processor on demand.

    They exist from the beginning: to start them under the load that the first of them make would take the very thread whose
    latency is measured.
    """

    def __init__(self, count: int) -> None:
        # 0: wait, 1: spin, 2: end. Without a lock, which a process that gets no time would hold for long.
        self._state = multiprocessing.Value("b", 0, lock=False)
        self._workers = [multiprocessing.Process(target=spin, args=(self._state,), daemon=True) for _ in range(count)]
        for worker in self._workers:
            worker.start()

    def work(self, busy: bool) -> None:
        """Spin from now on, or end if they did."""
        if busy:
            self._state.value = 1
        elif self._state.value == 1:
            self._state.value = 2

    def close(self) -> None:
        self._state.value = 2
        for worker in self._workers:
            worker.join()


def spin(state: ctypes.c_byte) -> None:
    while state.value == 0:
        time.sleep(0.05)
    while state.value == 1:
        pass


def played(how: str, seconds: float, hogs: int, extra_s: float, model: str) -> Iterator[tuple[float, Record]]:
    """Every record with the moment it came, in seconds from the start; the overload lasts for the middle third."""
    # Without the voice detector's opinion every window is classified, so that the load is even.
    config = load_config(None, ["gate.enabled=false"])
    slow = SlowClassifier(load_model(model), extra_s)
    engine = Engine(slow, config)  # type: ignore[arg-type]
    audio, rate = soundfile.read(ROOT / "realtime_ser" / "sample" / "demo.flac", dtype="float32")
    workers = Hogs(hogs if how == "hogs" else 0)
    try:
        with PacedSource(ArraySource(np.resize(audio, round(seconds * rate)), rate)) as source:
            began = time.monotonic()
            for record in listen(source, engine, max_lag_s=config.stream.max_lag_s):
                now = time.monotonic() - began
                loaded = seconds / 3 <= now < 2 * seconds / 3
                slow.slow = loaded and how == "slow-model"
                workers.work(loaded)
                yield now, record
    finally:
        workers.close()


def draw(records: list[tuple[float, Record]], seconds: float, title: str, path: Path) -> None:
    """p50 and p99 of the latencies in each second, and the samples dropped, over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    times = np.array([now for now, record in records if isinstance(record, Estimate)])
    latencies = np.array([(record.latency_s or 0.0) * 1000 for _, record in records if isinstance(record, Estimate)])
    edges = np.arange(0, seconds + BUCKET_S, BUCKET_S)
    where = np.digitize(times, edges)
    filled = sorted(set(where))
    centres = [edges[at - 1] + BUCKET_S / 2 for at in filled]
    health = [(now, record) for now, record in records if isinstance(record, Health)]
    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(9, 5.5), height_ratios=(3, 1))
    for share, style in ((99, "-"), (50, ":")):
        above.plot(centres, [np.percentile(latencies[where == at], share) for at in filled], style, label=f"p{share}")
    above.set(yscale="log", ylabel="capture to estimate, ms", title=title)
    below.plot([now for now, _ in health], [100 * h.dropped / max(1, h.captured) for _, h in health], color="tab:red")
    below.set(xlabel="seconds", ylabel="dropped so far, %", xlim=(0, seconds), ylim=(0, None))
    for axes in (above, below):
        axes.axvspan(seconds / 3, 2 * seconds / 3, color="tab:orange", alpha=0.15, label="overload")
        axes.grid(alpha=0.3)
    for now, record in records:
        if isinstance(record, Notice):
            above.axvline(now, color="tab:purple", linewidth=1)
            above.annotate(record.kind.replace("_", " "), (now, 1), xycoords=("data", "axes fraction"), ha="left", va="top")
    above.legend(loc="upper left")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--how", choices=("slow-model", "hogs"), default="slow-model")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--hogs", type=int, default=4 * multiprocessing.cpu_count(), help="processes that take the processor")
    parser.add_argument("--extra", type=float, default=0.6, help="seconds that a slow model takes longer")
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "overload.png")
    options = parser.parse_args()
    records = list(played(options.how, options.seconds, options.hogs, options.extra, options.model))
    records = [(now, record) for now, record in records if isinstance(record, Estimate | Health | Notice)]
    cause = f"the model takes {options.extra:g} s longer" if options.how == "slow-model" else f"{options.hogs} busy processes"
    draw(records, options.seconds, f"Overload: {cause}", options.out)
    parts = {"before": (0, 1 / 3), "during": (1 / 3, 2 / 3), "after": (2 / 3, 1)}
    for name, (first, past) in parts.items():
        chosen = [
            (record.latency_s or 0.0) * 1000
            for now, record in records
            if isinstance(record, Estimate) and first <= now / options.seconds < past
        ]
        if chosen:
            p50, p99, most = np.percentile(chosen, (50, 99, 100))
            print(f"{name}: {len(chosen)} windows, latency p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {most:.0f} ms")
    for now, record in records:
        if isinstance(record, Notice):
            print(f"{now:.1f} s {record.kind}: {record.message}")
    last = [record for _, record in records if isinstance(record, Health)][-1]
    print(f"captured {last.captured}, classified {last.classified}, gated {last.gated}, dropped {last.dropped}")


if __name__ == "__main__":
    main()
