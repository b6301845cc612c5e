"""MQTT, for home automation: one retained JSON state, which Home Assistant finds by itself. Needs paho-mqtt 2.

One of the two outputs that open a socket, and only towards the broker that the user named.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote, urlsplit

from realtime_ser.errors import ConfigError, SinkError
from realtime_ser.records import Estimate, Notice, Record, Session
from realtime_ser.sinks.text import number
from realtime_ser.text import one_line, printable, to_install, valid

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_PASSWORD = "REALTIME_SER_MQTT_PASSWORD"
_EVERY_S = 1.0
# At the end: for a connection under way, and then for the broker to confirm.
_LAST_S = 0.9


@dataclass(frozen=True, slots=True)
class Broker:
    """Where and as whom to connect. ``base`` is the topic that all of ours begin with."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None = field(repr=False)
    base: str = "realtime_ser"

    @property
    def node(self) -> str:
        """The base topic as an identifier."""
        return re.sub("[^A-Za-z0-9_-]+", "_", self.base)


class MqttSink:
    """The state of the stream in ``<base>/state``, retained: at once when the label or state changes, else once a second.

    ``<base>/availability`` is "online" or "offline", also when this process dies. Home Assistant's discovery topics announce a
    sensor of the emotion and one of its confidence. Channels kept apart have ``<base>/<channel>/state`` and sensors each.

    Connecting and sending are paho's, on a thread of its own, which connects again for as long as it takes; after that the
    latest state is published. What came in between is not kept: the state is what counts.

    Parameters
    ----------
    url : "mqtt://[USER[:PASSWORD]@]HOST[:PORT][/BASE/TOPIC]", or mqtts:// for TLS. A password that is not there is taken from
        the environment's REALTIME_SER_MQTT_PASSWORD, where no other user of the machine sees it.
    every_s : least wall time between states that bring no change, in seconds
    clock : in seconds

    Raises
    ------
    ConfigError : the URL is none, or paho-mqtt is not installed
    """

    def __init__(self, url: str, *, every_s: float = _EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker = parse_broker(url)
        paho = _paho()
        self.name = f"mqtt {printable(self._broker.host)}:{self._broker.port}"
        self._every_s, self._clock = every_s, clock
        self._lock = threading.Lock()
        self._news: list[Notice] = []
        self._trouble: str | None = None
        self._session: Session | None = None
        self._states: dict[int | None, str] = {}  # by channel; None where there is one stream
        self._shown: dict[int | None, tuple[tuple[str, str | None], float]] = {}
        self._pending: set[int | None] = set()
        self._channels: tuple[int | None, ...] = ()  # replaced and never changed: paho's thread reads it
        self._started = self._closed = False
        self._answered = threading.Event()  # the first attempt to connect has ended, well or not
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        if self._broker.user is not None:
            self._client.username_pw_set(self._broker.user, self._broker.password)
        if self._broker.tls:
            self._client.tls_set()
        self._client.will_set(self._topic("availability"), "offline", retain=True)
        self._client.reconnect_delay_set(1, 30)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect

    def write(self, record: Record) -> None:
        """Publish a window if it is news."""
        if self._closed:
            return
        if isinstance(record, Session):
            self._session = record
            if record.channel not in self._channels:
                self._channels = (*self._channels, record.channel)
            if not self._started:
                self._started = True
                self._client.connect_async(self._broker.host, self._broker.port, keepalive=30)
                self._client.loop_start()
            elif self._client.is_connected():
                self._announce()
        elif isinstance(record, Estimate):
            now, shown = self._clock(), (record.state, record.label)
            self._states[record.channel] = self._describe(record)
            self._pending.add(record.channel)
            before, shown_at = self._shown.get(record.channel, (None, 0.0))
            if shown != before or now - shown_at >= self._every_s:
                self._shown[record.channel] = shown, now
                self._publish_state(record.channel)

    def news(self) -> list[Notice]:
        """That the broker is out of reach, or back."""
        with self._lock:
            news, self._news = self._news, []
        return news

    def close(self) -> None:
        """Publish the last state and that nothing follows; waits two seconds at most.

        Raises
        ------
        SinkError : the broker did not get it
        """
        if self._closed:
            return
        self._closed = True
        if not self._started:
            return
        self._answered.wait(_LAST_S)
        if not self._client.is_connected():
            self._client.disconnect()  # paho's thread ends when its attempt to connect does; nobody waits for it
            with self._lock:
                trouble = self._trouble or "it does not answer"
            raise SinkError(f"{self.name} did not get the last state: {trouble}; see that the broker runs and takes you")
        for channel in sorted(self._pending, key=str):
            self._publish_state(channel)
        last = self._client.publish(self._topic("availability"), "offline", qos=1, retain=True)
        try:
            last.wait_for_publish(_LAST_S)
            delivered = last.is_published()
        except (RuntimeError, ValueError):
            delivered = False
        self._client.disconnect()
        if not delivered:
            raise SinkError(f"{self.name} did not confirm the last state within {_LAST_S:g} s; see that the broker runs")
        self._client.loop_stop()

    def _topic(self, name: str) -> str:
        return f"{self._broker.base}/{name}"

    def _publish_state(self, channel: int | None) -> None:
        state = self._states.get(channel)
        if state is not None and self._client.is_connected():
            self._pending.discard(channel)
            self._client.publish(f"{_base(self._broker, channel)}/state", state, retain=True)

    def _describe(self, estimate: Estimate) -> str:
        smoothed = zip(estimate.labels, estimate.smoothed, strict=False)  # empty when nobody speaks
        return json.dumps(
            {
                "label": valid(estimate.label if estimate.state == "speech" and estimate.label else estimate.state),
                "state": estimate.state,
                "confidence": number(estimate.confidence, 4),
                "smoothed": {valid(label): number(value, 4) for label, value in smoothed},
                "level_dbfs": number(estimate.level_dbfs, 1),
                "stream_s": number(estimate.end_s, 3),
                "source": valid(self._session.source) if self._session is not None else None,
                "updated_at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            },
            allow_nan=False,
        )

    def _announce(self) -> None:
        for channel in self._channels:
            for topic, payload in discovery(self._broker, self._session, channel).items():
                self._client.publish(topic, json.dumps(payload), retain=True)
        self._client.publish(self._topic("availability"), "online", retain=True)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:  # noqa: ARG002
        if reason.is_failure:
            self._lost(str(reason))
            return
        with self._lock:
            trouble, self._trouble = self._trouble, None
            if trouble is not None:
                self._news.append(Notice("sink_back", f"{self.name} is connected again"))
        self._announce()
        for channel in self._channels:
            self._publish_state(channel)
        self._answered.set()

    def _on_connect_fail(self, client: Any, userdata: Any) -> None:  # noqa: ARG002
        error = sys.exc_info()[1]  # paho calls this while it handles the exception
        self._lost(getattr(error, "strerror", None) or str(error or "it does not answer"))

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:  # noqa: ARG002
        if not self._closed:
            self._lost(str(reason) if reason.is_failure else "the broker closed the connection")

    def _lost(self, reason: str) -> None:
        self._answered.set()
        with self._lock:
            if self._trouble is None:
                message = f"{self.name} is out of reach ({one_line(reason, 200)}); trying again until it is there"
                self._news.append(Notice("sink_lost", message))
                self._trouble = one_line(reason, 200)


def _base(broker: Broker, channel: int | None) -> str:
    return broker.base if channel is None else f"{broker.base}/{channel}"


def discovery(broker: Broker, session: Session | None, channel: int | None = None) -> dict[str, dict[str, Any]]:
    """Home Assistant's discovery: topic -> what is published there, retained; of one channel, if there are several."""
    node, name = (broker.node, "") if channel is None else (f"{broker.node}_{channel}", f", channel {channel}")
    labels = [] if session is None else [valid(label) for label in session.labels]
    device = {"identifiers": [broker.node], "name": broker.base, "manufacturer": "realtime-ser"}
    if session is not None:
        device.update(model=valid(session.model), sw_version=valid(session.version))
    shared = {
        "state_topic": f"{_base(broker, channel)}/state",
        "availability_topic": f"{broker.base}/availability",
        "device": device,
    }
    emotion = {
        **shared,
        "name": f"Emotion{name}",
        "unique_id": f"{node}_emotion",
        "icon": "mdi:emoticon-outline",
        "device_class": "enum",
        "options": [*labels, "unsure", "no_speech"],
        "value_template": "{{ value_json.label }}",
        "json_attributes_topic": shared["state_topic"],
    }
    confidence = {
        **shared,
        "name": f"Confidence{name}",
        "unique_id": f"{node}_confidence",
        "icon": "mdi:percent",
        "unit_of_measurement": "%",
        "state_class": "measurement",
        "value_template": "{{ ((value_json.confidence or 0) * 100) | round(0) }}",
    }
    prefix = f"homeassistant/sensor/{node}"
    return {f"{prefix}/emotion/config": emotion, f"{prefix}/confidence/config": confidence}


def parse_broker(url: str) -> Broker:
    """The broker that a URL names.

    Raises
    ------
    ConfigError : it is not of the form mqtt://[USER[:PASSWORD]@]HOST[:PORT][/BASE/TOPIC]; the message leaves the password out
    """
    form = "expected mqtt://HOST[:PORT][/TOPIC], such as mqtt://homeassistant.local"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"--mqtt: {one_line(error)}; {form}") from error
    if parts.scheme not in _PORTS or not host or parts.query or parts.fragment or port == 0:
        raise ConfigError(f"--mqtt {url.rpartition('@')[2]}: {form}")
    base = unquote(parts.path).strip("/") or "realtime_ser"
    if re.search("[+#\x00-\x1f\x7f\ud800-\udfff]", base) or len(base.encode("utf-8", "replace")) > 200:
        raise ConfigError(f"--mqtt: the topic {base} may hold neither + nor # nor control characters, and 200 bytes at most")
    user = None if parts.username is None else unquote(parts.username)
    password = unquote(parts.password) if parts.password is not None else os.environ.get(_PASSWORD)
    return Broker(
        host, port or _PORTS[parts.scheme], parts.scheme == "mqtts", user, password if user is not None else None, base
    )


def check_mqtt(url: str) -> None:
    """See that the URL is one and paho-mqtt is there; nothing is sent.

    Raises
    ------
    ConfigError : not so; the message has what to do
    """
    parse_broker(url)
    _paho()


def _paho() -> Any:
    try:
        from paho.mqtt import client

        if not hasattr(client, "CallbackAPIVersion"):
            raise ImportError("paho-mqtt 1")
    except ImportError as error:
        raise ConfigError(f"--mqtt needs paho-mqtt 2, which is not installed; {to_install('mqtt')}") from error
    return client
