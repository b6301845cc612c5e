"""doctor: every failure is recognised and comes with something to do."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from audio_server import PulseServer, pulse_server
from realtime_ser.audio.devices import Device
from realtime_ser.audio.probe import Recording
from realtime_ser.cli import doctor
from realtime_ser.config import Config
from realtime_ser.errors import ModelError, SourceError
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.spec import FrontEndSpec

__all__ = ["pulse_server"]
RATE = 16_000


def heard(samples, **changes):
    seconds = len(samples) / RATE
    values = {
        "samples": np.asarray(samples, dtype=np.float32),
        "rate": RATE,
        "took_s": seconds,
        "counted_s": seconds,
        "xruns": 0,
        "lost": 0,
        "delays_s": (0.004, 0.005),
        "notices": (),
    }
    return Recording(**{**values, **changes})


def voice(level, seconds=3.0):
    return level * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE)


def judge(sound):
    return {check.name: check for check in doctor.judge_sound(sound)}


def test_a_good_microphone_passes():
    checks = judge(heard(voice(0.1)))
    assert {name: check.ok for name, check in checks.items()} == dict.fromkeys(
        ("level", "clipping", "low frequencies", "capture"), True
    )
    assert "-23 dBFS" in checks["level"].message
    assert "4 ms" in checks["capture"].message or "5 ms" in checks["capture"].message


def test_digital_silence_is_a_missing_permission_or_a_mute():
    check = judge(heard(np.zeros(3 * RATE)))["level"]
    assert check.ok is False
    assert "may not use the microphone" in check.message
    assert "mute" in check.remedy
    assert judge(heard(np.zeros(3 * RATE), counted_s=2.5))["capture"].ok is True, "zeros may come at any pace"


def test_a_whisper_is_a_reservation():
    check = judge(heard(voice(1e-4)))["level"]
    assert check.ok is None
    assert "raise the input level" in check.remedy


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize(
    ("added", "said", "advice"),
    [
        (lambda t: np.full(len(t), -0.1), "a DC offset of -0.10", "USB port"),
        (lambda t: 0.08 * np.sin(2 * np.pi * 50 * t), "hum of 50 Hz at -25 dBFS", "power supplies"),
        (lambda t: 0.01 * np.sin(2 * np.pi * 59.95 * t), "hum of 60 Hz at -43 dBFS", "power supplies"),
        (lambda t: 0.14 * np.sin(2 * np.pi * 20 * t), "rumble below 60 Hz at -20 dBFS", "something soft"),
    ],
    ids=["offset", "50 Hz", "60 Hz", "rumble"],
)
def test_what_no_voice_makes_has_a_name_and_hides_no_soft_voice(rate, added, said, advice):
    t = np.arange(3 * rate) / rate
    spoken = 0.01 * np.sin(2 * np.pi * 200 * t) + np.random.default_rng(0).normal(0, 1e-4, len(t))
    clean = judge(heard(spoken, rate=rate))
    assert clean["low frequencies"].ok is True
    checks = judge(heard(spoken + added(t), rate=rate))
    assert checks["low frequencies"].ok is None
    assert said in checks["low frequencies"].message
    assert ";" not in checks["low frequencies"].message, "one thing was added"
    assert advice in checks["low frequencies"].remedy
    assert checks["level"].message.split(",")[0] == clean["level"].message.split(",")[0] == "-43 dBFS on average"


def test_an_offset_alone_is_silence_and_all_three_may_come_together():
    assert judge(heard(np.full(3 * RATE, 0.1)))["level"].ok is False
    t = np.arange(3 * RATE) / RATE
    quiet = judge(heard(0.1 + 0.05 * np.sin(2 * np.pi * 50 * t) + 0.06 * np.sin(2 * np.pi * 15 * t)))
    assert quiet["level"].ok is None, "a hum is no voice"
    for said in ("DC offset of +0.10", "hum of 50 Hz", "rumble"):
        assert said in quiet["low frequencies"].message


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["white", "pink", "brown"])
def test_noise_has_no_hum(kind, seed):
    noise = np.random.default_rng(seed).normal(size=3 * RATE)
    power = {"white": 0.0, "pink": -0.5, "brown": -1.0}[kind]
    shaped = np.fft.irfft(np.fft.rfft(noise) * np.maximum(np.fft.rfftfreq(len(noise)), 20 / RATE) ** power)
    check = judge(heard(0.05 * shaped / shaped.std()))["low frequencies"]
    assert "hum of" not in check.message, check.message


def test_clipping_is_seen():
    check = judge(heard(np.clip(voice(2.0), -1, 1)))["clipping"]
    assert check.ok is None
    assert "lower the input level" in check.remedy


@pytest.mark.parametrize("samples", [np.zeros(0), np.full(100, np.nan)])
def test_nothing_usable_fails(samples):
    assert judge(heard(samples))["level"].ok is False


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"xruns": 2, "lost": 320}, "2 overflows, 320 samples lost"),
        ({"counted_s": 2.5}, "the clock measures 13333 Hz"),
        ({"notices": ("microphone x is gone",)}, "is gone"),
    ],
)
def test_an_unsteady_capture_is_a_reservation(changes, said):
    check = judge(heard(voice(0.1), **changes))["capture"]
    assert check.ok is None
    assert said in check.message
    assert check.remedy


def test_rates():
    assert doctor.check_rates(Device(0, "mic", "ALSA", 1, 48_000, (16_000, 48_000))).ok is True
    telephone = doctor.check_rates(Device(0, "headset", "ALSA", 1, 8_000, (8_000,)))
    assert telephone.ok is None
    assert "above 4 kHz" in telephone.message
    assert doctor.check_rates(Device(0, "busy", "ALSA", 1, 48_000)).ok is None


@pytest.mark.parametrize(("system", "words"), [("darwin", "Privacy"), ("win32", "desktop apps"), ("linux", "pactl")])
def test_the_remedy_fits_the_platform(system, words):
    assert words in doctor._permission_remedy(system)


def test_a_missing_library_says_what_to_install_and_the_rest_goes_on(monkeypatch):
    def absent():
        raise SourceError("the PortAudio library is missing")

    monkeypatch.setattr(doctor, "portaudio", absent)
    checks = {check.name: check for check in doctor.run_checks(Config())}
    assert checks["portaudio"].ok is False
    assert checks["portaudio"].remedy
    assert "devices" not in checks
    assert checks["python"].ok is True
    assert any(name == "models" or name.startswith("model ") for name in checks)


def test_no_device_and_a_wrong_name_are_failures_of_the_check_and_not_of_doctor(monkeypatch):
    class Library:
        @staticmethod
        def get_portaudio_version():
            return 1, "PortAudio 19"

    monkeypatch.setattr(doctor, "portaudio", Library)
    monkeypatch.setattr(doctor, "list_devices", list)
    checks = {check.name: check for check in doctor._check_audio(Config(), None, 0.1)}
    assert checks["devices"].ok is False
    assert checks["devices"].message == "no microphone found", "doctor does not send the user to doctor"
    assert "plug a microphone in" in checks["devices"].remedy
    monkeypatch.setattr(doctor, "list_devices", lambda: [Device(0, "mic", "ALSA", 1, 48_000)])
    for wrong in ("other", 7):
        checks = {check.name: check for check in doctor._check_audio(Config(), wrong, 0.1)}
        assert checks["devices"].ok is False
        assert "'mic'" in checks["devices"].message
        assert checks["devices"].remedy == "choose one that `realtime-ser devices` lists"


def test_missing_and_damaged_bundles_fail(monkeypatch):
    from realtime_ser.model import classifier as model

    monkeypatch.setattr(model, "list_bundles", list)
    assert next(iter(doctor.check_models(Config()))).ok is False

    def damaged(path, *, vote=True):
        raise ModelError(f"{path} is damaged")

    monkeypatch.setattr(model, "list_bundles", lambda: [Path("mlp.json")])
    monkeypatch.setattr(model, "load_model", damaged)
    checks = list(doctor.check_models(Config()))
    assert [check.ok for check in checks] == [False] * len(checks)
    assert "damaged" in checks[0].message


def test_the_shipped_bundles_load_and_keep_up():
    checks = {check.name: check for check in doctor.check_models(Config())}
    assert checks["model mlp"].ok is True
    assert checks["model cnn"].ok is True
    assert "a hop takes" in checks["model large"].message
    assert "on people it never met" in checks["model large"].message
    assert checks["speed"].ok is not False
    assert "ms a hop" in checks["speed"].message


class SlowModel:
    """A classifier that takes as long as a test wants."""

    labels = ("angry", "calm")
    fixed_length = False
    spec = FrontEndSpec("flat268", n_fft=1024, n_mels=128)
    card = SimpleNamespace(
        name="slow", window_s=1.0, min_window_s=0.5, stream=None, nobody=False, nobody_from=0.0, sha256="", vote=None
    )

    def __init__(self, seconds):
        self.seconds = seconds

    def front_end(self, window_s=None):
        return FrontEnd(self.spec, window_s or 1.0)

    def normaliser(self):
        return None

    def first_state(self):
        return np.zeros(0, np.float32)

    def predict(self, features):
        time.sleep(self.seconds)
        return np.full((len(features), 2), 0.5, dtype=np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "ok"), [(0.0, True), (0.08, None), (0.3, False)])
def test_speed_is_judged_against_the_hop(seconds, ok):
    check = doctor.check_speed(SlowModel(seconds), Config(), seconds=1.0)
    # A busy machine makes a hop late now and then, which is what it warns of.
    assert check.ok is ok or (ok is True and check.ok is None)
    assert "of the 250 ms there are" in check.message
    assert bool(check.remedy) == (check.ok is not True)


@pytest.mark.audio_server
def test_on_a_real_microphone(pulse_server: PulseServer, tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, voice(0.2, 20), RATE)
    player = pulse_server.play(path)
    code = (
        "import dataclasses, json; from realtime_ser.config import Config; from realtime_ser.cli import doctor;"
        "print(json.dumps([dataclasses.asdict(c) for c in doctor._check_audio(Config(), 'virtual_mic', 1.0)]))"
    )
    try:
        run = subprocess.run(
            [sys.executable, "-c", code], env=pulse_server.env, capture_output=True, text=True, check=True, timeout=60
        )
    finally:
        player.kill()
        player.wait()
    checks = {check["name"]: check for check in json.loads(run.stdout)}
    assert {name: check["ok"] for name, check in checks.items()} == dict.fromkeys(
        ("portaudio", "devices", "rates", "level", "clipping", "low frequencies", "capture"), True
    ), checks


def test_checks_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        doctor.check_python().ok = False
