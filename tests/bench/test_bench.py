"""What bench measures is consistent and complete. No test asserts a speed: that is the machine's affair."""

from __future__ import annotations

import io
import itertools
import json
import sys
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from rich.console import Console

from realtime_ser.bench import BARS, Effort, look_up, run_bench, write_figures
from realtime_ser.bench.audio import read_audio
from realtime_ser.bench.stages import STAGES, measure_stages
from realtime_ser.cli.main import main as cli
from realtime_ser.cli.tables import show_bench
from realtime_ser.config import load_config
from realtime_ser.errors import ConfigError, SinkError, SourceError
from realtime_ser.model.classifier import load_model

ROOT = Path(__file__).parents[2]
QUICK = Effort(stages_s=20, minutes=1, windows=16, launches=1)
PERCENTILES = ("min", "p50", "p95", "p99", "max")
HAS_RIVALS = util.find_spec("librosa") is not None and util.find_spec("torch") is not None


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    return run_bench(load_config(), live_s=2, effort=QUICK)


@pytest.mark.slow
def test_json_holds_every_documented_key(figures: dict[str, Any], tmp_path: Path) -> None:
    write_figures(figures, tmp_path / "bench.json")
    read = json.loads((tmp_path / "bench.json").read_text())
    keys = ["realtime_factor", "streams_per_core", "startup_s", "rss_mb", "live_latency_ms.p50", "live_latency_ms.p99"]
    keys += [f"hop_ms.{name}" for name in PERCENTILES]
    keys += [f"stages.{stage}.{name}_ms" for stage in (*STAGES, "gate_floor", "gate_vad") for name in PERCENTILES]
    assert {key: look_up(read, key) for key in keys if look_up(read, key) is None} == {}
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


@pytest.mark.slow
def test_percentiles_rise(figures: dict[str, Any]) -> None:
    rows = [figures[key] for key in ("hop_ms", "hop_without_vad_ms", "live_latency_ms", "live_raw_latency_ms")]
    rows += [{name: row[f"{name}_ms"] for name in PERCENTILES} for row in figures["stages"].values()]
    for row in rows:
        values = [row[name] for name in PERCENTILES]
        assert values == sorted(values)
        assert values[0] >= 0


def quickest_add_up(figures: dict[str, Any]) -> bool:
    """Whether the quickest of each stage is about the quickest hop.

    The quickest, because a machine that is busy elsewhere stretches the rest at random. Different hops are the quickest for
    different stages (a hop ends seven or eight of the gate's chunks), so the sum is below the quickest whole hop.
    """
    quickest = {stage: times["min_ms"] for stage, times in figures["stages"].items()}
    total, gate = sum(quickest[stage] for stage in STAGES), quickest["gate"]
    both = quickest["gate_floor"] + quickest["gate_vad"]
    return total == pytest.approx(figures["hop_ms"]["min"], rel=0.65) and both == pytest.approx(gate, rel=0.3)


@pytest.mark.slow
def test_stages_add_up_to_the_hop_of_an_untouched_engine(figures: dict[str, Any]) -> None:
    config = load_config()
    model = load_model(config.model)
    samples = read_audio(ROOT / "realtime_ser" / "sample" / "demo.flac", model.spec.sample_rate)
    # A machine that is busy through one measurement, so that no hop is undisturbed, gets two more.
    again = (measure_stages(config, samples, QUICK.stages_s) for _ in range(2))
    assert any(quickest_add_up(measured) for measured in itertools.chain([figures], again))


@pytest.mark.slow
def test_stages_see_the_work_that_is_done(figures: dict[str, Any]) -> None:
    for stage in ("resample", "frames", "window", "gate_floor", "gate_vad", "model", "smoothing"):
        assert figures["stages"][stage]["p50_ms"] > 0, stage
    assert 0.3 < figures["classified_share"] < 1  # the sample holds speech and pauses
    assert figures["streams_per_core"] == int(figures["hop_s"] * 1000 / figures["hop_ms"]["p99"])


@pytest.mark.slow
def test_live_hears_every_window_and_the_block_is_taken_off_once(figures: dict[str, Any]) -> None:
    raw, beyond = figures["live_raw_latency_ms"], figures["live_latency_ms"]
    assert figures["live_windows"] == 4  # just after 1 s and every quarter of a second from there
    assert figures["live_dropped_samples"] == 0
    assert 0 <= raw["max"] - beyond["max"] <= figures["live_block_ms"]


def test_live_too_short_for_an_estimate_is_said() -> None:
    with pytest.raises(ConfigError, match="listen longer"):
        run_bench(load_config(), live_s=0.2, effort=QUICK)


@pytest.mark.slow
def test_bars_are_judged_by_their_figures(figures: dict[str, Any]) -> None:
    known = {key: (sense, bar) for key, sense, bar in BARS}
    assert "speedup_vs_librosa" not in figures["bars"]  # not measured, so not judged
    assert {"realtime_factor", "startup_s", "live_latency_ms.p99"} <= set(figures["bars"])
    for key, row in figures["bars"].items():
        sense, bar = known[key]
        assert row["value"] == look_up(figures, key)
        assert row["met"] is (row["value"] >= bar if sense == ">=" else row["value"] <= bar)


@pytest.mark.slow
def test_screen_says_what_fell_short(figures: dict[str, Any]) -> None:
    bars = {"startup_s": {"value": 1.5, "bar": "<= 0.8", "met": False}, "rss_mb": {"value": 90.0, "bar": "<= 150", "met": True}}
    console = Console(file=io.StringIO(), width=100, color_system=None)
    show_bench({**figures, "bars": bars, "taken_by_others": 0.4}, console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "fell short  startup_s is 1.5, bar <= 0.8" in shown
    assert "bars met    rss_mb <= 150" in shown
    assert "other programs took 40% of the processor" in shown
    for name in (*STAGES, "floor", "vad", "whole hop", "start-up", "live latency p99"):
        assert name in shown


@pytest.mark.slow
def test_command_writes_figures_and_prints_the_table(
    figures: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}

    def measured(config: object, **options: Any) -> dict[str, Any]:
        asked.update(options)
        return figures

    monkeypatch.setattr("realtime_ser.bench.run_bench", measured)
    target = tmp_path / "figures.json"
    assert cli(["bench", "--json", str(target), "--live", "3", "--against-librosa", "--audio", "a.wav"]) == 0
    assert (asked["live_s"], asked["against_librosa"], asked["audio"]) == (3.0, True, "a.wav")
    assert json.loads(target.read_text()) == figures
    assert "whole hop" in capsys.readouterr().out


@pytest.mark.parametrize("package", ["librosa", "torch"])
def test_missing_extra_is_said_before_measuring(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert cli(["bench", "--against-librosa"]) == ConfigError.exit_code
    assert f"needs {package}; in the clone of realtime-ser: pip install '.[bench]'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RIVALS, reason="needs librosa and torch: pip install '.[bench]'")
@pytest.mark.filterwarnings("ignore")  # librosa's and torch's own
def test_speedup_is_the_ratio_of_the_two_medians() -> None:
    figures = run_bench(load_config(), against_librosa=True, effort=QUICK)
    ours = figures["hop_without_vad_ms"]["p50"]
    for name in ("librosa", "librosa_our_frames", "librosa_same_features"):
        assert figures[f"speedup_vs_{name}"] == pytest.approx(figures[f"{name}_hop_ms"]["p50"] / ours)
    assert figures["bars"]["speedup_vs_librosa"]["value"] == figures["speedup_vs_librosa"]
    assert "torch MLP" in figures["librosa_way"]


@pytest.mark.slow
def test_silent_recording_is_refused(tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(16000 * 5, np.float32), 16000)
    with pytest.raises(SourceError, match="nobody speaks"):
        run_bench(load_config(), audio=silence, effort=QUICK)


def test_unwritable_figures_leave_the_old_ones(tmp_path: Path) -> None:
    target = tmp_path / "bench.json"
    target.mkdir()
    with pytest.raises(SinkError, match=r"cannot write .*bench\.json"):
        write_figures({"hop_ms": 1.0}, target)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_stream() -> None:
    """Ten simulated minutes after four to warm up; ``benchmarks/allocation.py`` runs six hours."""
    spec = util.spec_from_file_location("allocation", ROOT / "benchmarks" / "allocation.py")
    assert spec is not None
    assert spec.loader is not None
    allocation = util.module_from_spec(spec)
    spec.loader.exec_module(allocation)
    held = allocation.measure("mlp", [360.0, 840.0])
    # An hour that grew so would pass 1 MiB in six: what a window leaves behind counts, not what a deque holds.
    assert held[1] - held[0] < 64 * 1024
