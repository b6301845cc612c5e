"""Which device a user means."""

import pytest

from realtime_ser.audio.devices import Device, find_device
from realtime_ser.audio.portaudio import install_hint
from realtime_ser.errors import ConfigError, SourceError

DEVICES = [
    Device(0, "Built-in Microphone", "Core Audio", 1, 48_000),
    Device(2, "USB Headset", "Core Audio", 2, 44_100, is_default=True),
    Device(5, "USB Webcam", "Core Audio", 2, 16_000),
]
WINDOWS = [
    Device(0, "Mic (Realtek)", "MME", 2, 44_100),
    Device(4, "Mic (Realtek)", "Windows DirectSound", 2, 44_100),
    Device(9, "Mic (Realtek)", "Windows WASAPI", 2, 48_000, is_default=True),
]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [(None, 2), (5, 5), ("5", 5), ("webcam", 5), ("USB Headset", 2), ("built", 0), ("USB Webcam, Core Audio", 5)],
)
def test_found(wanted, index):
    assert find_device(wanted, DEVICES).index == index


def test_without_a_default_the_first_is_taken():
    assert find_device(None, DEVICES[:1]).index == 0


def test_one_device_under_several_host_apis_is_no_ambiguity():
    assert find_device("realtek", WINDOWS).index == 9
    assert find_device("Mic (Realtek), MME", WINDOWS).index == 0


def test_an_ambiguous_name_lists_the_matches():
    with pytest.raises(ConfigError, match=r"several.*2 'USB Headset', 5 'USB Webcam'"):
        find_device("usb", DEVICES)


def test_a_wrong_name_lists_near_ones():
    with pytest.raises(ConfigError, match=r"'USB Headsot'.*did you mean.*2 'USB Headset'"):
        find_device("USB Headsot", DEVICES)


@pytest.mark.parametrize("wanted", [1, "1", -1, "99999999999999999999"])
def test_a_wrong_index_lists_what_there_is(wanted):
    with pytest.raises(ConfigError, match=r"no input device has index.*0 'Built-in Microphone'"):
        find_device(wanted, DEVICES)


def test_an_empty_name_fits_nothing():
    with pytest.raises(ConfigError):
        find_device("  ", DEVICES)


def test_a_hostile_name_is_shown_harmless():
    with pytest.raises(ConfigError) as caught:
        find_device("\x1b[2Jx\n", DEVICES)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_microphone_at_all():
    with pytest.raises(SourceError, match="plug one in"):
        find_device(None, [])


def test_virtual_devices_with_absurd_channel_counts_are_opened_in_stereo():
    assert Device(0, "pulse", "ALSA", 32, 44_100).capture_channels == 2
    assert Device(0, "array", "ALSA", 4, 16_000).capture_channels == 4


@pytest.mark.parametrize(
    ("platform", "os_release", "expected"),
    [
        ("linux", "ID=debian\n", "apt install libportaudio2"),
        ("linux", 'NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n', "apt install libportaudio2"),
        ("linux", 'ID=fedora\nPRETTY_NAME="Fedora = good"\n', "dnf install portaudio"),
        ("linux", 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install portaudio"),
        ("linux", "ID=arch\n", "pacman -S portaudio"),
        ("linux", 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "zypper install libportaudio2"),
        ("linux", "", "Debian and Ubuntu: libportaudio2"),
        ("darwin", "", "brew install portaudio"),
        ("win32", "", "reinstall sounddevice"),
    ],
)
def test_what_to_install(platform, os_release, expected):
    assert expected in install_hint(platform, os_release)
