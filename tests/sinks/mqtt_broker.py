"""A broker of MQTT in a process of its own, and a client that keeps what it gets."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


class Broker:
    """Mosquitto on a port of its own; keeps nothing when it stops."""

    def __init__(self, folder: Path, *, password: str | None = None) -> None:
        self.port = free_port()
        settings = f"listener {self.port} 127.0.0.1\npersistence false\n"
        if password is None:
            settings += "allow_anonymous true\n"
        else:
            users = folder / "users"
            subprocess.run(["mosquitto_passwd", "-c", "-b", users, "me", password], check=True, capture_output=True)
            users.chmod(0o644)
            settings += f"allow_anonymous false\npassword_file {users}\n"
        if os.getuid() == 0:
            settings += "user root\n"
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(settings)
        self.start()

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


class Subscriber:
    """What a broker holds and hands on: topic -> payloads in order, and which of them were retained."""

    def __init__(self, broker: Broker, user: str | None = None, password: str | None = None) -> None:
        self.payloads: dict[str, list[str]] = {}
        self.retained: set[str] = set()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.on_message = self._take
        ready: list[int] = []
        self._client.on_subscribe = lambda *_: ready.append(1)
        self._client.on_connect = lambda client, *_: client.subscribe("#")
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        wait_until(lambda: ready)

    def _take(self, client: Any, userdata: Any, message: Any) -> None:
        self.payloads.setdefault(message.topic, []).append(message.payload.decode())
        if message.retain:
            self.retained.add(message.topic)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
