"""The commands that follow a stream: ``monitor``, ``replay`` and ``demo``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from realtime_ser.cli.options import SAMPLE, Channels, channel, common, microphone, outputs, pace, profile, raw, recordings
from realtime_ser.cli.parser import Commands
from realtime_ser.cli.process import complain
from realtime_ser.cli.run_sources import run_sources
from realtime_ser.cli.settings import chosen_config
from realtime_ser.errors import ConfigError

if TYPE_CHECKING:
    from realtime_ser.audio.raw import Raw
    from realtime_ser.config import Config
    from realtime_ser.sinks.same_file import Place

commands = Commands()
_ACTED = "smoothing.neutral_share=null"


@commands.add(
    "monitor",
    "listen to a microphone",
    options=(common, microphone, profile, outputs),
    examples=("monitor --device usb --record talk.flac", "monitor -q --duration 60 --jsonl -"),
    native=True,
    interruptible=True,
)
def _monitor(options: argparse.Namespace) -> int:
    from realtime_ser.audio.open import open_source

    config = chosen_config(options)
    # The limit of stream time cuts exactly; the clock's, a moment later, ends a run whose device is away by then.
    ends_after_s = None if options.duration is None else options.duration + 1.0
    source = open_source(None, config.capture, device=options.device, ends_after_s=ends_after_s)
    return run_sources([source], options, config, [], live=True)


@commands.add(
    "replay",
    "replay recordings through the same path",
    options=(common, recordings, channel, raw, pace, profile, outputs),
    examples=("replay talk.flac", "replay - --speed max --csv windows.csv"),
    native=True,
    interruptible=True,
)
def _replay(options: argparse.Namespace) -> int:
    return _replayed(options, chosen_config(options))


def _replayed(options: argparse.Namespace, config: Config, about: str = "") -> int:
    from realtime_ser.audio.ffmpeg import find_ffmpeg
    from realtime_ser.audio.folder import find_files
    from realtime_ser.audio.open import STANDARD_INPUT, open_source
    from realtime_ser.audio.walk import unread_note

    raw = _raw(options)
    found = find_files(options.files, with_ffmpeg=find_ffmpeg() is not None)
    for note in (found.note(), unread_note(found.unread)):
        if note is not None:
            complain(note)
    names = [str(path) for path in found.files]
    inputs: list[tuple[str, Place]] = [("recording", 0 if name == STANDARD_INPUT else name) for name in names]
    split = options.channels is not None and options.channels.split
    files = [open_source(name, config.capture, speed=options.speed, split=split, raw=raw) for name in names]
    if split and getattr(options, "profile", None) is not None:
        raise ConfigError("--profile keeps one voice and --channels split has several; take one channel with --channel N")
    if options.faults:
        if split:
            raise ConfigError("--faults injects into one stream and --channels split makes several; leave one of them out")
        from realtime_ser.faults.scenario import load_scenario
        from realtime_ser.faults.source import FaultySource

        scenario = load_scenario(options.faults)
        files = [FaultySource(file, scenario) for file in files]
        inputs.append(("file of faults", options.faults))
    status = run_sources(files, options, config, inputs, live=False, about=about)
    return max(status, 1) if found.unread else status


@commands.add(
    "demo",
    "replay the shipped sample",
    options=(common, pace, outputs),
    examples=("demo", "demo --speed max --report demo.html"),
    native=True,
    interruptible=True,
    more="It is acted and labels expect ordinary speech, so\n"
    f"{_ACTED} is set here, unless --set says otherwise\nor --config is given.",
)
def _demo(options: argparse.Namespace) -> int:
    options.files = [str(SAMPLE)]
    options.raw = options.rate = options.channels = None
    options.preset = [("demo", _ACTED)] if options.config is None else []
    config = chosen_config(options)
    acted = options.config is None and config.smoothing.neutral_share is None
    return _replayed(options, config, f"{_ACTED}, because the sample is acted; replay leaves it as it is" if acted else "")


def _raw(options: argparse.Namespace) -> Raw | None:
    """The format that --raw, --rate and --channels say, or None: the files have headers."""
    from realtime_ser.audio.raw import raw_format

    channels = Channels(None, split=False) if options.channels is None else options.channels
    if options.raw is None:
        if channels.split and channels.count is not None:
            raise ConfigError(f"--channels split:{channels.count} is for samples without a header and needs --raw FORMAT")
        if options.rate is not None or channels.count is not None:
            given = "--rate" if options.rate is not None else "--channels"
            raise ConfigError(
                f"{given} is for samples without a header and needs --raw FORMAT; --channel N chooses a channel, "
                "--channels split takes each by itself"
            )
        return None
    if channels.split and channels.count is None:
        raise ConfigError(
            f"--raw {options.raw} needs --channels split:N, such as split:2: samples without a header do not say it"
        )
    if options.rate is None:
        raise ConfigError(f"--raw {options.raw} needs --rate HZ: samples without a header do not say it")
    return raw_format(options.raw, options.rate, channels.count or 1)
