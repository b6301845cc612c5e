"""Which device to open and how, the first time and again after it was lost."""

from __future__ import annotations

from realtime_ser.audio.devices import Device, find_device, list_devices
from realtime_ser.audio.input_stream import Capture
from realtime_ser.audio.portaudio import portaudio, reason
from realtime_ser.config import CaptureConfig
from realtime_ser.errors import ConfigError, SourceError


class Opener:
    """Opens one input device.

    Parameters
    ----------
    wanted : as ``find_device`` takes it
    config : block and ring length
    channel : a channel that the device must have, from 1; None: any
    """

    def __init__(self, wanted: int | str | None, config: CaptureConfig, channel: int | None) -> None:
        self._wanted, self._config, self._channel = wanted, config, channel
        self._device: Device | None = None
        self._rate = self._channels = 0

    def open(self) -> tuple[Device, Capture]:
        """Find the device and open it at its own rate, or else at a usual one.

        Raises
        ------
        SourceError : no PortAudio, no input device, or one that cannot be opened
        ConfigError : no such device, an ambiguous name, or a channel that it does not have
        """
        sd = portaudio()
        device = find_device(self._wanted, list_devices(probe_rates=False))
        if self._channel is not None and not 1 <= self._channel <= device.channels:
            has = "one channel" if device.channels == 1 else f"channels 1 to {device.channels}"
            raise ConfigError(f"microphone {device.name} has {has} and no channel {self._channel}; choose another")
        first: Exception | None = None
        fewest = self._channel or 1
        for rate in dict.fromkeys((device.rate, 48_000, 44_100, 16_000)):
            for channels in dict.fromkeys((max(device.capture_channels, fewest), fewest)):
                try:
                    capture = self._capture(device, rate, channels)
                except (sd.PortAudioError, ValueError) as error:
                    first = first or error
                else:
                    self._device, self._rate, self._channels = device, rate, channels
                    return device, capture
        assert first is not None
        raise SourceError(
            f"microphone {device.name} cannot be opened: {reason(first)}; see that no other program holds it"
        ) from first

    def reopen(self, discarded: Capture) -> Capture:
        """Restart PortAudio, find the same device again and start it.

        PortAudio lists only the devices that were there when it started. Waits for ``discarded`` to be closed, for ever if need
        be: a restart under a call that hangs in the library would crash.

        Raises
        ------
        SourceError : the device is absent, or has fewer channels than before
        portaudio.PortAudioError : it does not open or start
        """
        assert self._device is not None
        sd = portaudio()
        discarded.wait_closed()
        sd._terminate()
        sd._initialize()
        wanted = (self._device.name, self._device.host_api)
        for device in list_devices(probe_rates=False):
            if (device.name, device.host_api) == wanted:
                return self._start_again(device)
        raise SourceError("it is not connected")

    def _start_again(self, device: Device) -> Capture:
        channels = min(self._channels, device.channels)
        if self._channel is not None and self._channel > channels:
            raise SourceError(f"it came back without channel {self._channel}")
        capture = self._capture(device, self._rate, channels)
        try:
            capture.start()
        except BaseException:
            capture.discard()
            raise
        return capture

    def _capture(self, device: Device, rate: int, channels: int) -> Capture:
        return Capture(portaudio(), device.index, rate, channels, self._config.block_ms / 1000, self._config.ring_s)
