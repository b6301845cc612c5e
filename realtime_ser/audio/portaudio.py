"""The PortAudio library. The only module that imports sounddevice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from realtime_ser.errors import SourceError
from realtime_ser.text import one_line


def portaudio() -> Any:
    """The ``sounddevice`` module, which loads and starts the PortAudio library.

    Raises
    ------
    SourceError : the library is not there or does not start; the message names what to install on this platform
    """
    try:
        import sounddevice
    except (OSError, ImportError) as error:
        raise SourceError(f"the PortAudio library is missing, so no microphone can be read; {install_hint()}") from error
    except Exception as error:  # PortAudioError lives in the module that failed to import
        raise SourceError(f"PortAudio does not start: {reason(error)}; see that the audio server runs") from error
    return sounddevice


def reason(error: BaseException) -> str:
    """An exception's text in one printable line."""
    return one_line(error) or type(error).__name__


def install_hint(platform: str = sys.platform, os_release: str | None = None) -> str:
    """What to install so that PortAudio is there.

    Parameters
    ----------
    platform : as ``sys.platform``
    os_release : text of ``/etc/os-release``; None reads it
    """
    if platform == "darwin":
        return "run: brew install portaudio"
    if platform in ("win32", "cygwin"):
        return "run: python -m pip install --force-reinstall sounddevice (it brings the library along)"
    if os_release is None:
        try:
            os_release = Path("/etc/os-release").read_text(encoding="utf-8", errors="replace")
        except OSError:
            os_release = ""
    values = dict(line.partition("=")[::2] for line in os_release.splitlines() if "=" in line)
    family = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").lower().split()
    commands = {
        ("debian", "ubuntu"): "sudo apt install libportaudio2",
        ("fedora", "rhel", "centos"): "sudo dnf install portaudio",
        ("arch",): "sudo pacman -S portaudio",
        ("suse", "opensuse"): "sudo zypper install libportaudio2",
        ("alpine",): "sudo apk add portaudio",
    }
    for names, command in commands.items():
        if any(name in family for name in names):
            return f"run: {command}"
    return "install your system's PortAudio package (Debian and Ubuntu: libportaudio2; Fedora: portaudio)"
