"""What this machine has and can do: ``devices``, ``doctor`` and ``bench``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from realtime_ser.cli.json_output import json_output, show
from realtime_ser.cli.options import SAMPLE, bench, common, device
from realtime_ser.cli.parser import Commands
from realtime_ser.cli.settings import chosen_config, files_read
from realtime_ser.errors import SourceError

commands = Commands()


@commands.add("devices", "list input devices", options=(json_output,), examples=("devices", "devices --json"), native=True)
def _devices(options: argparse.Namespace) -> int:
    from realtime_ser.audio.devices import list_devices
    from realtime_ser.cli.tables import show_devices

    devices = list_devices()
    if not devices:
        raise SourceError(
            "no input device found; plug in a microphone, or start the sound server, and run 'realtime-ser doctor'"
        )
    show(options, [asdict(item) for item in devices], lambda: show_devices(devices))
    return 0


@commands.add(
    "doctor",
    "check audio, models and speed, and say what to do",
    options=(common, device, json_output),
    examples=("doctor", "doctor --device usb --json report.json"),
    native=True,
)
def _doctor(options: argparse.Namespace) -> int:
    from realtime_ser.cli.doctor import run_checks
    from realtime_ser.cli.tables import show_check

    checks = []
    for check in run_checks(chosen_config(options), device=options.device):
        checks.append(check)
        if options.json != "-":
            show_check(check)
    show(options, [asdict(check) for check in checks], lambda: None)
    return 1 if any(check.ok is False for check in checks) else 0


@commands.add(
    "bench",
    "measure latency and throughput on this machine",
    options=(common, bench, json_output),
    examples=("bench --model cnn", "bench --live 30 --json figures.json"),
)
def _bench(options: argparse.Namespace) -> int:
    from realtime_ser.bench import run_bench
    from realtime_ser.cli.outputs import check_inputs
    from realtime_ser.cli.tables import show_bench
    from realtime_ser.model.classifier import load_model

    config = chosen_config(options)
    if options.json is not None:
        inputs = files_read(options, load_model(config.model, vote=config.stream.vote))
        check_inputs(
            [*inputs, ("recording", options.audio or SAMPLE)], [] if options.json == "-" else [("--json", options.json)]
        )
    figures = run_bench(
        config,
        against_librosa=options.against_librosa,
        live_s=options.live,
        audio=options.audio,
        progress=_measuring if sys.stderr.isatty() else lambda _: None,
    )
    show(options, figures, lambda: show_bench(figures))
    return 0


def _measuring(step: str) -> None:
    print(f"measuring {step} ...", file=sys.stderr, flush=True)
