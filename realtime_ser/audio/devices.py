"""Input devices: what there is, and which one a user means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from realtime_ser.audio.portaudio import portaudio
from realtime_ser.audio.source import MAX_RATE, MIN_RATE
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.text import printable

RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)

# ALSA's plug-ins and PulseAudio claim 32 to 128 channels, which no microphone has. The mean over them would bury the voice.
_MOST_CHANNELS = 8


@dataclass(frozen=True, slots=True)
class Device:
    """One input device.

    Attributes
    ----------
    index : PortAudio's, valid until devices come or go
    name, host_api : printable
    channels : most input channels it offers
    rate : its default sample rate in Hz
    rates : which of ``RATES`` it can be opened with, in Hz; empty when not probed, or when it is busy
    is_default : whether it is the system's default input
    """

    index: int
    name: str
    host_api: str
    channels: int
    rate: int
    rates: tuple[int, ...] = ()
    is_default: bool = False

    @property
    def capture_channels(self) -> int:
        """How many channels to open: all that a real device has, two of a virtual one that claims more than eight."""
        return self.channels if self.channels <= _MOST_CHANNELS else 2


def list_devices(*, probe_rates: bool = True) -> list[Device]:
    """Every input device, in PortAudio's order.

    Parameters
    ----------
    probe_rates : ask each device about each of ``RATES``; takes some milliseconds per device

    Raises
    ------
    SourceError : no PortAudio library
    """
    sd = portaudio()
    apis = sd.query_hostapis()
    default = _default_index(sd)
    devices = []
    for index, info in enumerate(sd.query_devices()):
        channels = int(info["max_input_channels"])
        if channels < 1:
            continue
        rate = round(info["default_samplerate"])
        device = Device(
            index=index,
            name=printable(info["name"]),
            host_api=printable(apis[info["hostapi"]]["name"]),
            channels=channels,
            rate=rate if MIN_RATE <= rate <= MAX_RATE else 48_000,
            is_default=index == default,
        )
        devices.append(_with_rates(sd, device) if probe_rates else device)
    return devices


def find_device(wanted: int | str | None, devices: Sequence[Device]) -> Device:
    """The device a user means.

    Parameters
    ----------
    wanted : an index (also as text), a unique part of a name or of ``NAME, HOST API`` in any case, or None for the default
    devices : what there is

    Raises
    ------
    SourceError : there is no input device at all
    ConfigError : no device matches, or several do; the message lists them
    """
    if not devices:
        raise SourceError("no microphone found; plug one in, see that the audio server runs, and try `realtime-ser doctor`")
    if wanted is None:
        return next((device for device in devices if device.is_default), devices[0])
    text = str(wanted).strip()
    exact = [device for device in devices if text.casefold() in (device.name.casefold(), _full_name(device).casefold())]
    if not exact and text.lstrip("-").isdecimal():
        for device in devices:
            if device.index == int(text):
                return device
        raise ConfigError(f"no input device has index {printable(text)}; there are {_listed(devices)}")
    matches = exact or [device for device in devices if text and text.casefold() in _full_name(device).casefold()]
    if not matches:
        near = difflib.get_close_matches(text, [device.name for device in devices], n=3, cutoff=0.3)
        suggested = [device for device in devices if device.name in near] or devices
        raise ConfigError(f"no input device is called {printable(text)!r}; did you mean {_listed(suggested)}?")
    if len({device.name for device in matches}) > 1:
        raise ConfigError(
            f"{printable(text)!r} fits several input devices: {_listed(matches)}; give more of the name, or an index"
        )
    # One device under several host APIs, as on Windows: take it where the system's default lives.
    favourite = next((device.host_api for device in devices if device.is_default), "")
    return next((device for device in matches if device.host_api == favourite), matches[0])


def _full_name(device: Device) -> str:
    return f"{device.name}, {device.host_api}"


def _listed(devices: Sequence[Device]) -> str:
    shown = ", ".join(f"{device.index} {device.name!r}" for device in devices[:8])
    return f"{shown} and {len(devices) - 8} more" if len(devices) > 8 else shown


def _default_index(sd: Any) -> int:
    try:
        return int(sd.query_devices(kind="input")["index"])
    except (sd.PortAudioError, ValueError, KeyError):
        return -1


def _with_rates(sd: Any, device: Device) -> Device:
    rates = []
    for rate in RATES:
        try:
            sd.check_input_settings(device=device.index, channels=device.capture_channels, dtype="float32", samplerate=rate)
        except (sd.PortAudioError, ValueError):
            continue
        rates.append(rate)
    return Device(device.index, device.name, device.host_api, device.channels, device.rate, tuple(rates), device.is_default)
