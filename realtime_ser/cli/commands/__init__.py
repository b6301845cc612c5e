"""Every command of the command line: one decorated function each, see ``parser``.

A command imports what it needs when it runs, so that ``--help`` imports nothing heavy.
"""

from __future__ import annotations

from realtime_ser.cli.commands import archives, machine, models, network, profiles, shell, streams
from realtime_ser.cli.parser import Commands

commands = Commands(
    streams.commands, archives.commands, network.commands, machine.commands, models.commands, profiles.commands, shell.commands
)
