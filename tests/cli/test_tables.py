"""Tables and lines keep words and names whole where there is room for them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from realtime_ser.audio.devices import Device
from realtime_ser.cli.checks import Check
from realtime_ser.cli.tables import show_check, show_devices

RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000)
DEVICES = [
    Device(3, "Blue Yeti Stereo Microphone: USB Audio", "ALSA", 2, 48_000, RATES, True),
    Device(4, "pulse", "ALSA", 32, 44_100),
]


def shown(width: int, terminal: bool, show) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=terminal, color_system=None, highlight=False)
    show(console)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 160])
def test_the_names_of_devices_are_whole(width: int) -> None:
    lines = shown(width, True, lambda console: show_devices(DEVICES, console))
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    assert "pulse" in text
    assert "192" in text
    if width < 108:
        assert len(lines) <= 9
        words = " ".join(text.split())
        assert "* 3 Blue Yeti Stereo Microphone: USB Audio ALSA, 2 channels, 48000 Hz; rates (kHz): 8 11.025 16" in words
        assert words.endswith(" 4 pulse ALSA, 32 channels, 44100 Hz * default")


def test_a_check_breaks_at_spaces_on_a_terminal_and_is_one_line_elsewhere() -> None:
    check = Check(
        "sound server", None, "PULSE_SERVER names /run/user/1000/pulse/native, which is not there", "unset PULSE_SERVER"
    )
    lines = shown(40, True, lambda console: show_check(check, console))
    assert " ".join(" ".join(lines).split()).startswith("note sound server: PULSE_SERVER names /run/user/1000/pulse/native,")
    assert len(shown(40, False, lambda console: show_check(check, console))) == 2
