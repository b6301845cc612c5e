"""What a check of ``doctor`` says, and those of the system: interpreter, terminal, sound server."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from realtime_ser.text import printable


@dataclass(frozen=True, slots=True)
class Check:
    """One answer.

    Attributes
    ----------
    name : what was looked at
    ok : True is well, None works with a reservation, False does not work
    message : what was found, in one line
    remedy : what to do about it; empty when all is well
    """

    name: str
    ok: bool | None
    message: str
    remedy: str = ""


def check_python() -> Check:
    """Interpreter and platform."""
    found = f"{platform.python_version()} on {platform.platform(terse=True)}, {platform.machine()}"
    return Check("python", True, found)


def check_terminal() -> Check:
    """Can the dashboard be drawn?"""
    columns, lines = shutil.get_terminal_size()
    if not sys.stdout.isatty():
        return Check(
            "terminal", None, "standard output is no terminal", "run it in a terminal to see the dashboard; plain lines work"
        )
    if columns < 80 or lines < 24:
        return Check("terminal", None, f"{columns}x{lines}", "enlarge the window to 80x24 for the whole dashboard")
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        found = f"{columns}x{lines}, encoding {encoding or 'unknown'}"
        return Check("terminal", None, found, "set PYTHONIOENCODING=utf-8 for smooth bars")
    return Check("terminal", True, f"{columns}x{lines}")


def check_sound_server() -> Check:
    """Is PulseAudio or PipeWire there? Without one, ALSA gives a microphone to one program at a time. (Linux.)"""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"))
    if server := os.environ.get("PULSE_SERVER"):
        socket = server.removeprefix("unix:")
        # A list of servers has blanks; of a host nothing can be said from here.
        if (socket != server or socket.startswith("/")) and " " not in server and not os.path.exists(socket):  # noqa: PTH110 (a path raises where its folder may not be read)
            found = f"PULSE_SERVER names {printable(socket)}, which is not there"
            return Check("sound server", None, found, "unset PULSE_SERVER, or start the server that it names")
        return Check("sound server", True, f"PulseAudio at {printable(server)} (PULSE_SERVER)")
    for name, path in (("PipeWire", runtime / "pipewire-0"), ("PulseAudio", runtime / "pulse" / "native")):
        if path.exists():
            return Check("sound server", True, name)
    return Check(
        "sound server",
        None,
        "neither PipeWire nor PulseAudio runs for this user",
        "ALSA alone serves one program at a time; start one: systemctl --user start pipewire-pulse, or pulseaudio --start",
    )
