"""The channels of a source, each a stream of its own, in one picture: side by side, or below one another where it is narrow."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group
from rich.style import Style
from rich.text import Text

from realtime_ser.sinks.dashboard.state import Snapshot
from realtime_ser.sinks.dashboard.view import picture

# The least columns and rows in which a channel shows its word and its level.
_NARROWEST, _LOWEST = 36, 2
_DIM = Style(dim=True)


def view_channels(
    snapshots: Sequence[Snapshot], width: int, height: int, *, ascii_only: bool = False, colourless: bool = False
) -> Group:
    """Exactly ``height`` lines (at least 1) of at most ``width`` cells, as ``view`` gives for one stream.

    Channels for which there is no room are left out from the last on, and the last line has their number.

    Parameters
    ----------
    snapshots : one or more, in the order of the channels
    ascii_only, colourless : as for ``view``
    """
    width, height = max(10, width), max(1, height)
    across = max(1, min(len(snapshots), (width + 3) // (_NARROWEST + 3)))
    down = min(math.ceil(len(snapshots) / across), max(1, height // _LOWEST))
    left_out = len(snapshots) - across * down
    note = [Text(f"and {left_out} more channels; a larger terminal shows them", _DIM)] if left_out > 0 and height > 1 else []
    rows = height - len(note)
    bar = Text(" | " if ascii_only else " │ ", _DIM)
    column = (width - 3 * (across - 1)) // across
    lines: list[Text] = []
    for row in range(down):
        tall = rows // down + (row < rows % down)
        shown = snapshots[row * across : (row + 1) * across]
        pictures = [picture(each, column, tall, ascii_only=ascii_only, colourless=colourless) for each in shown]
        for parts in zip(*pictures, strict=True):
            for part in parts[:-1]:
                part.truncate(column, overflow="crop", pad=True)
            lines.append(bar.join(parts))
    lines += note
    for line in lines:
        line.no_wrap, line.overflow = True, "crop"
        line.truncate(width, overflow="crop")
    return Group(*lines)
