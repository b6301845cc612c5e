"""What all tests share: tiny model bundles made on the spot, real or synthetic speech, the corpora where they are."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings

from bundles import FRONT_ENDS, RATE, MakeBundle, Samples, write_bundle
from realtime_ser.audio.resample import Resampler

ROOT = Path(__file__).parents[1]

# A busy machine is no failure; the whole suite has its own time limit.
settings.register_profile("default", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


# The files that take longest, about longest first (measured in November 2026 with --durations). They start first, so that the
# processes of ``--dist loadfile --no-loadscope-reorder`` end together. Files that wait (for audio, a clock or a server) take
# turns with files that compute, so that two cores have work for one process more than they are.
LONGEST = (
    "torture/test_hostile_clients.py",
    "train/test_train_command.py",
    "torture/test_audio_server.py",
    "train/explore/test_explore.py",
    "cli/test_cli_monitor.py",
    "train/published/test_published.py",
    "serve/test_browser.py",
    "cli/test_outputs.py",
    "torture/test_overload.py",
    "batch/test_classify_command.py",
    "torture/test_kill.py",
    "bench/test_bench.py",
    "audio/test_microphone_server.py",
    "train/networks/test_taught.py",
    "train/networks/test_drawn.py",
    "cli/test_cli_ends.py",
    "torture/test_accounting.py",
    "cli/test_standard_input.py",
    "faults/test_faulty_source.py",
    "batch/test_ray_pool.py",
    "features/test_front_end.py",
    "cli/test_parser.py",
    "train/evaluation/test_bars.py",
    "test_privacy.py",
    "torture/test_fuzz_audio.py",
    "test_hostile_names.py",
    "engine/test_engine.py",
    "audio/test_at_exit.py",
    "sinks/test_same_file.py",
    "cli/test_cli.py",
    "cli/test_channels_split.py",
    "train/evaluation/test_large.py",
)


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """The longest files first; what runs in real time or by the thousand is slow, and so are cases after the fast ones."""
    place = {ROOT / "tests" / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))
    for item in items:
        fast_cases = item.get_closest_marker("fast_cases")
        if (
            ROOT / "tests" / "torture" in item.path.parents
            or item.get_closest_marker("audio_server")
            or (fast_cases is not None and max(item.callspec.indices.values()) >= fast_cases.args[0])
        ):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def make_bundle(tmp_path: Path) -> MakeBundle:
    """``make_bundle(recipe, **changes to the card) -> path of the card``; see ``write_bundle``."""

    def make(recipe: str = "flatstats", **changes: Any) -> Path:
        return write_bundle(tmp_path / recipe, recipe, **changes)

    return make


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A valid bundle for each recipe: recipe -> path of the card."""
    folder = tmp_path_factory.mktemp("bundles")
    return {recipe: write_bundle(folder / recipe, recipe) for recipe in FRONT_ENDS}


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of the real corpora."""
    shared = ROOT.parent / "shared"
    folder = Path(os.environ.get("REALTIME_SER_CORPORA") or shared / "corpora")
    if not (folder / "ravdess_speech").is_dir():
        message = f"no corpora at {folder}: set REALTIME_SER_CORPORA to the folder that holds ravdess_speech"
        if os.environ.get("CI") and shared.is_dir():
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """About 40 s of speech at 16 kHz, float32 (n,): real where the corpora are, else the shipped sample, else espeak-ng's."""
    shared = ROOT.parent / "shared" / "corpora"
    folder = Path(os.environ.get("REALTIME_SER_CORPORA") or shared) / "ravdess_speech"
    clips = sorted(folder.rglob("*.flac"))[::130] if folder.is_dir() else []
    sample = ROOT / "realtime_ser" / "sample" / "demo.flac"
    if not clips and sample.exists():
        clips = [sample]
    if not clips:
        if shutil.which("espeak-ng") is None:
            pytest.skip("no speech: set REALTIME_SER_CORPORA or install espeak-ng")
        clips = [tmp_path_factory.mktemp("speech") / "spoken.wav"]
        text = "The north wind and the sun were disputing which was the stronger, when a traveller came along. " * 5
        subprocess.run(["espeak-ng", "-w", str(clips[0]), text], check=True)
    pieces = []
    for clip in clips:
        samples, rate = soundfile.read(clip, dtype="float32", always_2d=True)
        pieces.append(Resampler(rate, RATE).push(samples.mean(axis=1), last=True))
    return np.concatenate(pieces).astype(np.float32)[: 60 * RATE]


@pytest.fixture(scope="session")
def talk(speech: Samples) -> Samples:
    """Nine seconds of the speech, with its loudest sample at -3 dBFS."""
    piece = speech[RATE // 2 : RATE // 2 + 9 * RATE]
    return np.asarray(piece * (0.7 / np.abs(piece).max()), np.float32)
