"""Figures as PNG, written atomically and byte-equal for equal data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from train.atomic import replacing


def save(figure: Any, path: Path) -> Path:
    """Write a figure without a time stamp, and close it; returns the path."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return path


def plain(axis: Axes, grid: str = "y") -> None:
    """Remove the box and draw a faint grid behind the data along one axis or "both"."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis=grid, color="#eaeaea")  # type: ignore[arg-type]
    axis.set_axisbelow(True)
