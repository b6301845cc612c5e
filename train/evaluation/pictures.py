"""``python -m train pictures``: all models in one picture each, from what ``evaluate --bars`` measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from realtime_ser.errors import ConfigError
from train.evaluation.bars import read_bars
from train.evaluation.streaming.unseen import BARRED, lost
from train.evaluation.targets import limit_of
from train.figures import plain, save

# The order of the legend, and each model's colour everywhere.
MODELS = {"large": "#1f5fa8", "cnn": "#c2571a", "mlp": "#5b8c3a"}
_SHORT = {
    "DC 0.1": "DC offset\n0.1", "hum of 50 Hz, 0.1": "hum\n50 Hz", "rumble, 20 dB over the voice": "rumble\n+20 dB",
    "telephone, 300 to 3,400 Hz": "telephone", "RT60 0.4 s": "room,\nRT60 0.4 s",
}  # fmt: skip
_SIZE = (7.6, 4.2)
_GUESSING = 25
_GREY = "#777777"


def draw(runs: Path, output: Path) -> list[Path]:
    """Draw every picture for which something was measured; returns their paths.

    Raises
    ------
    ConfigError : nothing was measured
    """
    measured = {name: found for name in MODELS if (found := read_bars(runs, name))}
    drawn = []
    for part, name, picture in (
        ("corpus", "adaptation", adaptation),
        ("everyday", "frontier", frontier),
        ("spoilt", "robustness", robustness),
    ):
        some = {model: found for model, found in measured.items() if found.get(part)}
        if part == "everyday":
            some = {model: found for model, found in some.items() if found.get("corpus")}
        if some:
            drawn.append(picture(some, output / f"{name}.png"))
    if not drawn:
        raise ConfigError(f"nothing to draw in {runs / 'bars'}; run `python -m train evaluate --bundle NAME --bars` first")
    return drawn


def adaptation(measured: Mapping[str, Mapping[str, Any]], path: Path) -> Path:
    """UAR against the seconds of a voice that its stream has processed so far."""
    figure, axis = plt.subplots(figsize=_SIZE, layout="constrained")
    for model, found in measured.items():
        points = found["corpus"]["adaptation"]
        x = [point["seconds"] for point in points]
        low, high = zip(*(point["ci95"] for point in points), strict=True)
        axis.fill_between(x, low, high, color=MODELS[model], alpha=0.12, lw=0)
        axis.plot(x, [point["uar"] for point in points], "o-", color=MODELS[model], ms=5, lw=1.8, label=model)
    _guessing(axis)
    one = next(iter(measured.values()))["corpus"]
    axis.set(xlabel="seconds of this voice so far", ylabel="UAR in %, four emotions", ylim=(20, None), xlim=(-0.5, None))
    axis.set_title(f"People never met ({one['corpus']}, {one['speakers']} speakers; shaded: 95 %)", fontsize=11)
    axis.legend(frameon=False, loc="lower right")
    plain(axis)
    return save(figure, path)


def frontier(measured: Mapping[str, Mapping[str, Any]], path: Path) -> Path:
    """Everyday time under neutral or calm against UAR of acted strangers, as ``neutral_share`` moves."""
    figure, axis = plt.subplots(figsize=_SIZE, layout="constrained")
    for model, found in measured.items():
        everyday, acted = found["everyday"]["by_share"], found["corpus"]["by_share"]
        shares = sorted(set(everyday) & set(acted) - {"none"}, key=float)
        plain_time, uar = [everyday[s]["plain"] for s in shares], [acted[s]["known"] for s in shares]
        axis.plot(plain_time, uar, "o-", color=MODELS[model], ms=4.5, lw=1.6, label=model)
        for share, x, y in zip(shares, plain_time, uar, strict=True):
            if share in (shares[0], shares[-1], "0.5"):
                axis.annotate(share, (x, y), (0, 7), textcoords="offset points", ha="center", fontsize=8, color=MODELS[model])
        if "none" in everyday and "none" in acted:
            axis.plot(everyday["none"]["plain"], acted["none"]["known"], "s", color=MODELS[model], mfc="w", ms=8, mew=1.8)
        bar = limit_of("everyday", model)
        axis.axvline(bar, color=MODELS[model], lw=1, ls=":")
    axis.plot([], [], "s", color=_GREY, mfc="w", ms=8, mew=1.8, ls="", label="no shift")
    axis.plot([], [], ls=":", lw=1, color=_GREY, label="bar for everyday speech")
    axis.set(xlabel="everyday speech: % of the time under neutral or calm", ylabel="acted strangers: UAR in %, voice known")
    axis.set(xlim=(None, 101))
    axis.set_title("What smoothing.neutral_share trades (numbers: the share)", fontsize=11)
    axis.legend(frameon=False, loc="best", fontsize=9)
    plain(axis, grid="both")
    return save(figure, path)


def robustness(measured: Mapping[str, Mapping[str, Any]], path: Path) -> Path:
    """Points of UAR lost by condition; each model's bar as a line."""
    figure, axis = plt.subplots(figsize=(7.6, 4.4), layout="constrained")
    width = 0.8 / len(measured)
    for at, (model, found) in enumerate(measured.items()):
        for place, (group, name) in enumerate(BARRED):
            point = lost(found["spoilt"], group, name)
            if point is None:
                continue
            x = place - 0.4 + (at + 0.5) * width
            axis.bar(x, point["drop"], width=0.9 * width, color=MODELS[model], label=model if place == 0 else None)
            axis.plot([x, x], [point["low"], point["high"]], color="#333333", lw=0.9)
            limit = limit_of((group, name), model)
            axis.plot([x - width / 2, x + width / 2], [limit, limit], color="k", lw=1.6)
    axis.plot([], [], color="k", lw=1.6, label="bar: at most")
    axis.axhline(0, color="#999999", lw=0.8)
    names = [_SHORT.get(name, f"{group},\n{name}".replace(" noise", "")) for group, name in BARRED]
    axis.set_xticks(np.arange(len(BARRED)), names, fontsize=9)
    one = next(iter(measured.values()))["spoilt"]
    axis.set(ylabel="points of UAR lost")
    axis.set_title(f"The same {one['clips']} clips of people never met, spoilt (thin lines: 95 %)", fontsize=11)
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    axis.tick_params(axis="x", length=0)
    plain(axis)
    return save(figure, path)


def _guessing(axis: Axes) -> None:
    axis.axhline(_GUESSING, color=_GREY, lw=1, ls="--")
    axis.annotate("guessing", (0, _GUESSING), (2, 3), textcoords="offset points", fontsize=8, color=_GREY)
