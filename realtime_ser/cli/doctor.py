"""Checks whether this machine can read a microphone in real time. Each failed check has a remedy."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from realtime_ser.audio.devices import Device, find_device, list_devices
from realtime_ser.audio.high_pass import high_passed
from realtime_ser.audio.interference import find_interference
from realtime_ser.audio.portaudio import install_hint, portaudio
from realtime_ser.audio.probe import Recording, listen_briefly
from realtime_ser.cli.checks import Check, check_python, check_sound_server, check_terminal
from realtime_ser.cli.honest import SPARE_SHARE, better_fits, cost_text, score_text
from realtime_ser.config import Config
from realtime_ser.errors import ConfigError, SerError

if TYPE_CHECKING:
    from realtime_ser.model.classifier import Classifier

# A voice at an arm's length from a well set microphone lies between -40 and -10 dBFS; a room at rest below -50.
_QUIET_DBFS = -70.0
_CLIPPED_AT = 0.999
_CLIPPED_SHARE = 1e-4
_WIDE_BAND_HZ = 16_000


def run_checks(config: Config, device: int | str | None = None, *, listen_s: float = 3.0) -> Iterator[Check]:
    """Check everything, one after the other, and yield each answer as soon as it is known.

    Parameters
    ----------
    config : the settings that a run would have
    device : the input device to try, as in ``monitor``; None: the configured one, then the system's default
    listen_s : seconds of sound to judge
    """
    yield check_python()
    yield check_terminal()
    if sys.platform.startswith("linux"):
        yield check_sound_server()
    yield from _check_audio(config, device if device is not None else config.capture.device, listen_s)
    yield from check_models(config)


def _check_audio(config: Config, wanted: int | str | None, listen_s: float) -> Iterator[Check]:
    try:
        library = portaudio()
    except SerError as error:
        yield Check("portaudio", False, str(error), install_hint())
        return
    yield Check("portaudio", True, str(library.get_portaudio_version()[1]))
    try:
        devices = list_devices()
        if not devices:  # find_device would send the user here
            yield Check("devices", False, "no microphone found", _device_remedy())
            return
        device = find_device(wanted, devices)
    except ConfigError as error:  # no device of that name or index, or several
        yield Check("devices", False, str(error), "choose one that `realtime-ser devices` lists")
        return
    except SerError as error:
        yield Check("devices", False, str(error), _device_remedy())
        return
    default = next((item.name for item in devices if item.is_default), "none")
    yield Check("devices", True, f"{len(devices)} inputs; default: {default}; checking: {device.index} {device.name}")
    yield check_rates(device)
    try:
        sound = listen_briefly(config.capture, wanted, listen_s)
    except SerError as error:
        yield Check("microphone", False, str(error), _permission_remedy())
        return
    yield from judge_sound(sound)


def check_rates(device: Device) -> Check:
    """Does the device offer a rate that carries speech whole?"""
    if not device.rates:
        return Check(
            "rates",
            None,
            f"{device.name} accepts none of the usual rates",
            "close other programs that hold it, or choose another device",
        )
    listed = ", ".join(f"{rate / 1000:g}" for rate in device.rates)
    message = f"{listed} kHz; opened at {device.rate / 1000:g} kHz"
    if device.rate < _WIDE_BAND_HZ:
        return Check(
            "rates",
            None,
            f"{message}, which loses speech above {device.rate / 2000:g} kHz",
            "choose a wide-band microphone, or the headset's music profile instead of its telephone profile",
        )
    return Check("rates", True, message)


def judge_sound(sound: Recording) -> Iterator[Check]:
    """Level, clipping, low frequencies and steadiness of a recording. Like the engine, it takes the level above 60 Hz."""
    samples = sound.samples
    usable = samples[np.isfinite(samples)]
    if not len(usable):
        yield Check("level", False, "the microphone delivered nothing that can be used", _permission_remedy())
        return
    voiced = high_passed(usable, sound.rate)
    if len(voiced) > sound.rate:
        voiced = voiced[sound.rate // 2 :]  # by then the filter has settled
    rms_dbfs = 10 * math.log10(max(float(np.mean(np.square(voiced, dtype=np.float64))), 1e-12))
    peak_dbfs = 20 * math.log10(max(float(np.max(np.abs(voiced))), 1e-6))
    level = f"{rms_dbfs:.0f} dBFS on average, peak {peak_dbfs:.0f} dBFS over {len(samples) / sound.rate:.1f} s"
    if usable.min() == usable.max():
        yield Check(
            "level", False, "exact digital silence: muted, or this program may not use the microphone", _permission_remedy()
        )
    elif rms_dbfs < _QUIET_DBFS:
        yield Check(
            "level",
            None,
            f"{level}: very quiet",
            "speak while it listens, come closer, or raise the input level in the sound settings",
        )
    else:
        yield Check("level", True, level)
    clipped = float(np.mean(np.abs(usable) >= _CLIPPED_AT))
    if clipped > _CLIPPED_SHARE:
        remedy = "lower the input level in the sound settings, or move away"
        yield Check("clipping", None, f"{clipped:.1%} of the samples are at full scale", remedy)
    else:
        yield Check("clipping", True, "none")
    if found := find_interference(usable, sound.rate).findings():
        yield Check("low frequencies", None, *("; ".join(parts) for parts in zip(*found, strict=True)))
    else:
        yield Check("low frequencies", True, "no DC offset, hum or rumble")
    # A muted device may deliver its zeros at any pace.
    yield _judge_steadiness(sound, clock=usable.min() < usable.max())


def _judge_steadiness(sound: Recording, *, clock: bool) -> Check:
    lost = f"{sound.xruns} overflows, {sound.lost} samples lost" if sound.xruns or sound.lost else "nothing lost"
    late_ms = 1000 * float(np.median(sound.delays_s)) if sound.delays_s else float("nan")
    message = f"{lost}; {sound.rate} Hz; blocks arrive {late_ms:.0f} ms after their last sample"
    if sound.notices or sound.xruns or sound.lost:
        said = "; ".join((message, *sound.notices))
        return Check("capture", None, said, "close other programs, or set a larger capture.block_ms in the config")
    if clock and sound.took_s > 1 and abs(sound.counted_s / sound.took_s - 1) > 0.03:
        real = sound.rate * sound.counted_s / sound.took_s
        return Check(
            "capture",
            None,
            f"{message}; the clock measures {real:.0f} Hz",
            "choose another rate for the device in the sound settings",
        )
    return Check("capture", True, message)


def check_models(config: Config) -> Iterator[Check]:
    """Every shipped bundle with its score on people never met and its cost here; then whether this machine keeps up with the
    configured one, and whether a better one fits.
    """
    from realtime_ser.bench.hop import hop_ms
    from realtime_ser.model.classifier import find_card, list_bundles, load_model

    remedy = "reinstall the package, in the clone of realtime-ser: pip install --force-reinstall ."
    bundles = list_bundles()
    if not bundles:
        yield Check("models", False, "no model bundle is installed", remedy)
    measured = []
    for path in bundles:
        try:
            model = load_model(path)
            # At the shipped length of a window: settings may not suit every model.
            cost = hop_ms(model, Config())
        except SerError as error:
            yield Check(f"model {path.stem}", False, str(error), remedy)
        else:
            card = model.card
            measured.append((card.raw, cost))
            size_kb = card.onnx_path.stat().st_size / 1000
            message = f"{card.name}, {size_kb:.0f} kB, {len(card.labels)} labels; {score_text(card.raw) or card.headline}"
            if cost is not None:
                message += f"; a hop takes {cost_text(cost, Config().stream.hop_s)}"
            yield Check(f"model {path.stem}", True, message)
    try:
        used = load_model(find_card(config.model), vote=config.stream.vote)
        yield check_speed(used, config)
        if text := better_fits(measured, used.card.name, config.stream.hop_s):
            yield Check("choice", True, text)
    except SerError as error:
        if bundles:
            yield Check("speed", False, str(error), "choose a model that `realtime-ser models` lists")


def check_speed(model: Classifier, config: Config, *, seconds: float = 10.0) -> Check:
    """Time whole hops, each classified (the gate left out), on this machine as it is now.

    Parameters
    ----------
    model, config : what a run would have
    seconds : length of the synthetic audio
    """
    from realtime_ser.bench.hop import hop_times

    hop_s, times = hop_times(model, config, seconds)
    if not times:
        return Check(
            "speed",
            False,
            f"{model.card.name} gave no estimate in {seconds:.0f} s",
            "shorten stream.min_window_s in the config",
        )
    median, worst = float(np.median(times)), float(np.quantile(times, 0.99))
    message = f"{model.card.name}: {1000 * median:.2f} ms a hop (p99 {1000 * worst:.2f}) of the {1000 * hop_s:.0f} ms there are"
    if median > hop_s:
        return Check("speed", False, message, "choose the mlp model or a longer hop: --set stream.hop_s=1")
    if worst > SPARE_SHARE * hop_s:
        return Check(
            "speed", None, message, "close other programs, choose the mlp model or a longer hop: --set stream.hop_s=0.5"
        )
    return Check("speed", True, message)


def _device_remedy(system: str = sys.platform) -> str:
    if system.startswith("linux"):
        return "plug a microphone in; see that PipeWire or PulseAudio runs (pactl info) and that you may use audio (groups)"
    return "plug a microphone in and choose it in the system's sound settings"


def _permission_remedy(system: str = sys.platform) -> str:
    if system == "darwin":
        return "allow your terminal under System Settings > Privacy & Security > Microphone and restart it; unmute the input"
    if system == "win32":
        return "allow desktop apps under Settings > Privacy & security > Microphone; unmute the input in the sound settings"
    return "unmute it (pactl set-source-mute @DEFAULT_SOURCE@ 0, or alsamixer), or close the program that holds it"
