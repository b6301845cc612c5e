"""The commands about remembered voices: ``profiles list``, ``profiles show`` and ``profiles remove``."""

from __future__ import annotations

import argparse

from realtime_ser.cli.json_output import json_output, show
from realtime_ser.cli.options import profile_name
from realtime_ser.cli.parser import Commands
from realtime_ser.text import printable

commands = Commands()


@commands.add(
    "profiles",
    "list the voices that --profile has kept",
    options=(json_output,),
    examples=("profiles", "profiles --json"),
)
@commands.add(
    "profiles list",
    "list the voices that --profile has kept",
    options=(json_output,),
    examples=("profiles list", "profiles list --json"),
)
def _list(options: argparse.Namespace) -> int:
    from realtime_ser.cli.tables import show_profiles
    from realtime_ser.profiles.folder import list_profiles, profiles_folder

    found = list_profiles()
    show(options, [each.as_dict() for each in found], lambda: show_profiles(found, profiles_folder()))
    return 0


@commands.add(
    "profiles show",
    "show what is kept of a voice",
    options=(profile_name, json_output),
    examples=("profiles show anna", "profiles show anna --json"),
)
def _show(options: argparse.Namespace) -> int:
    from realtime_ser.cli.tables import show_profile
    from realtime_ser.profiles.folder import find_profile

    found = find_profile(options.name)
    show(options, [each.as_dict() for each in found], lambda: show_profile(found))
    return 0


@commands.add(
    "profiles remove",
    "remove what is kept of a voice, for every model",
    options=(profile_name,),
    examples=("profiles remove anna", "profiles remove 'anna usb'"),
)
def _remove(options: argparse.Namespace) -> int:
    from realtime_ser.profiles.folder import remove_profile

    for path in remove_profile(options.name):
        print(printable(f"removed {path}"))
    return 0
