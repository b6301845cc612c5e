"""``replay --faults``: the same scenario gives the same bytes, at any speed, and a bad one is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import soundfile
from onnx import helper

from bundles import FRONT_ENDS, make_network, write_bundle
from command import SAMPLE, assert_accounted, of_type, realtime_ser, records

EXAMPLE = Path(__file__).parents[2] / "docs" / "faults.yaml"


def _without_clocks(text: str) -> str:
    return re.sub(r'"(started_at|latency_ms)":("[^"]*"|\{[^}]*\}|[0-9.]+|null)', "", text)


@pytest.mark.slow
def test_the_same_scenario_gives_the_same_bytes_at_any_speed(tmp_path: Path) -> None:
    texts = []
    for number, speed in enumerate(["max", "max", "6"]):
        out = tmp_path / f"{number}.jsonl"
        heard = tmp_path / f"{number}.flac"
        result = realtime_ser("replay", SAMPLE, "--faults", EXAMPLE, "--speed", speed, "--jsonl", out, "--record", heard)
        assert result.returncode == 0, result.stderr
        texts.append(out.read_text())
        rows = records(texts[-1])
        assert_accounted(rows[-1])
        # The example says 16100 Hz of a 16000 Hz file.
        assert soundfile.info(heard).frames == pytest.approx(rows[-1]["captured_samples"] * 16100 / 16000, abs=1)
    assert _without_clocks(texts[0]) == _without_clocks(texts[1]) == _without_clocks(texts[2])
    assert [row["kind"] for row in of_type(rows, "event")] == ["faults", "device_lost", "device_back"]
    assert rows[-1]["dropped_samples"] > 2 * 16000


@pytest.mark.slow
def test_a_callback_that_raises_ends_with_everything_written(tmp_path: Path) -> None:
    scenario = tmp_path / "raise.yaml"
    scenario.write_text("faults: [{kind: raise, at_s: 5, message: broken cable}]")
    result = realtime_ser("demo", "--faults", scenario, "--speed", "max", "--jsonl", "-")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "broken cable" in result.stderr
    rows = records(result.stdout)
    assert rows[-1]["type"] == "summary"
    assert rows[-1]["captured_samples"] == 5 * 16000
    assert_accounted(rows[-1])


def test_a_bad_scenario_is_wrong_usage(tmp_path: Path) -> None:
    scenario = tmp_path / "bad.yaml"
    scenario.write_text("faults: [{kind: stall, for: 1}]")
    result = realtime_ser("replay", SAMPLE, "--faults", scenario, "--speed", "max")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    for word in (str(scenario), "faults[0].for", "faults[0].for_s"):
        assert word in result.stderr


def _gives_out_when_it_is_loud() -> bytes:
    """A network that takes quiet audio and returns NaN for the rest, as a damaged or overflowing one does."""
    model = make_network("waveform", FRONT_ENDS["waveform"])
    nodes = model.graph.node
    gemm = next(node for node in nodes if node.op_type == "Gemm")
    gemm.input[0] = "root"
    at = list(nodes).index(gemm)
    nodes.insert(at, helper.make_node("Sqrt", ["room"], ["root"]))
    nodes.insert(at, helper.make_node("Sub", ["limit", "flat"], ["room"]))
    nodes.insert(at, helper.make_node("Constant", [], ["limit"], value_float=0.042))
    return bytes(model.SerializeToString())


@pytest.mark.slow
def test_a_model_that_fails_in_mid_stream_is_said_and_every_output_finished(tmp_path: Path) -> None:
    model = write_bundle(tmp_path / "bundle", "waveform", network=_gives_out_when_it_is_loud())
    out, kept, table, page = (tmp_path / name for name in ("out.jsonl", "kept.flac", "table.csv", "page.html"))
    result = realtime_ser(
        "replay", SAMPLE, "--model", model, "--speed", "max",
        "--jsonl", out, "--record", kept, "--csv", table, "--report", page,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "no probabilities" in result.stderr
    rows = records(out.read_text())
    assert of_type(rows, "window"), "it worked at first"
    assert [row["kind"] for row in of_type(rows, "event")] == ["model_failed"]
    assert rows[-1]["type"] == "summary"
    assert_accounted(rows[-1])
    # One header, and a row a window.
    assert len(table.read_text().splitlines()) == 1 + len(of_type(rows, "window"))
    assert "</html>" in page.read_text()
    assert soundfile.info(kept).frames > 16000
