"""A private PulseAudio server with a virtual microphone: audio played into it arrives at the microphone.

Import the fixture where it is needed::

    from audio_server import PulseServer, pulse_server

and give ``pulse_server.env`` to the subprocess that opens the microphone: PortAudio reads its environment once per process.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_START_S = 15.0
_ASOUNDRC = """
pcm.!default { type pulse hint { show on description "Default" } }
ctl.!default { type pulse }
pcm.virtual_mic { type pulse device virtual.monitor hint { show on description "Virtual microphone" } }
pcm.other_mic { type pulse device other.monitor hint { show on description "Other microphone" } }
"""


def missing() -> str | None:
    """What this machine lacks for these tests, or None."""
    absent = [tool for tool in ("pulseaudio", "paplay", "pactl") if shutil.which(tool) is None]
    if sys.platform != "linux":
        return f"PulseAudio tests run on Linux, this is {sys.platform}"
    # A separate process: without the library, the import fails, and with it, it would read our environment for good.
    probe = subprocess.run([sys.executable, "-c", "import sounddevice"], capture_output=True, check=False)
    if probe.returncode:
        absent.append("libportaudio2")
    return f"missing: {', '.join(absent)}" if absent else None


class PulseServer:
    """A PulseAudio server of its own, in a folder of its own, with null sinks whose monitors are microphones.

    The default microphone is that of ``virtual``; ALSA, and so PortAudio, knows the two as ``virtual_mic`` and ``other_mic``.

    Attributes
    ----------
    env : the environment in which clients (``paplay``, a process with a microphone) find this server and no other
    pid : process id of the server, None while it does not run
    """

    def __init__(
        self, folder: Path, *, rate: int = 48_000, channels: int = 2, sinks: Sequence[str] = ("virtual", "other")
    ) -> None:
        self.folder = folder
        self.rate, self.channels, self.sinks = rate, channels, tuple(sinks)
        self._process: subprocess.Popen[bytes] | None = None
        home, runtime = folder / "home", folder / "run"
        for path in (home, runtime):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The whole system configuration (it defines the pulse plugin), then ours.
        asoundrc = home / ".asoundrc"
        asoundrc.write_text(_ASOUNDRC)
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "ALSA_", "DBUS_"))},
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "PULSE_RUNTIME_PATH": str(runtime),
            "PULSE_SERVER": f"unix:{runtime / 'native'}",
            "PULSE_SOURCE": "virtual.monitor",
            "PULSE_SINK": "virtual",
            "PULSE_COOKIE": str(runtime / "cookie"),
        }

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        socket = self.folder / "run" / "native"
        socket.unlink(missing_ok=True)
        (self.folder / "run" / "pid").unlink(missing_ok=True)
        log = (self.folder / "pulseaudio.log").open("ab")
        sinks = [f"-Lmodule-null-sink {self._sink_arguments(name)}" for name in self.sinks]
        command = [
            *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=true", "--use-pid-file=false"),
            f"-Lmodule-native-protocol-unix auth-anonymous=1 socket={socket}",
            *sinks,
        ]
        self._process = subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            answer = subprocess.run(["pactl", "info"], env=self.env, capture_output=True, check=False, timeout=_START_S)
            if answer.returncode == 0:
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"pulseaudio did not start:\n{(self.folder / 'pulseaudio.log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it if it runs, and start it again."""
        self.kill()
        self.start()

    def play(self, path: Path, sink: str = "virtual") -> subprocess.Popen[bytes]:
        """Play an audio file into a sink; the caller waits for or ends the process."""
        return subprocess.Popen(["paplay", f"--device={sink}", str(path)], env=self.env, stdin=subprocess.DEVNULL)

    def _sink_arguments(self, name: str) -> str:
        # norewinds: a null sink otherwise renders up to two seconds ahead, which no microphone does.
        return f"sink_name={name} rate={self.rate} channels={self.channels} norewinds=1"

    def unplug(self, sink: str = "virtual") -> None:
        """Remove a sink and its microphone; the server moves listeners to another microphone if there is one."""
        for line in self.pactl("list", "short", "modules").splitlines():
            index, name, *arguments = line.split("\t")
            if name == "module-null-sink" and f"sink_name={sink} " in " ".join(arguments):
                self.pactl("unload-module", index)

    def plug(self, sink: str = "virtual") -> None:
        """Add a sink and its microphone (again)."""
        self.pactl("load-module", "module-null-sink", *self._sink_arguments(sink).split())

    def pactl(self, *arguments: str) -> str:
        """Run ``pactl`` against this server and return what it printed."""
        return subprocess.run(["pactl", *arguments], env=self.env, capture_output=True, check=True, text=True).stdout


@pytest.fixture
def pulse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulseServer]:
    """A running server, killed at the end of the test. Skipped where PulseAudio is absent, except under CI."""
    reason = missing()
    if reason:
        if os.environ.get("CI"):
            pytest.fail(f"{reason}; under CI these tests must run (apt install pulseaudio pulseaudio-utils libportaudio2)")
        pytest.skip(reason)
    server = PulseServer(tmp_path_factory.mktemp("pulse"))
    server.start()
    try:
        yield server
    finally:
        server.kill()
