"""What the page must know of the server before a stream begins."""

from __future__ import annotations

from typing import Any

from realtime_ser import __version__
from realtime_ser.serve.auth import Access
from realtime_ser.serve.limits import Limits
from realtime_ser.serve.models import Models
from realtime_ser.sinks.palette import LOST, SILENCE, UNSURE, tints


def page_data(models: Models, access: Access, limits: Limits) -> dict[str, Any]:
    """Models with their honest scores, colours and letters as in the terminal, and where the audio goes."""
    return {
        "version": __version__,
        "token": access.needs_token,
        "local": access.loopback,
        "upload_bytes": limits.upload_bytes,
        "colours": {"no_speech": SILENCE, "unsure": UNSURE, "lost": LOST},
        "models": [_model(models, name) for name in models.names],
    }


def _model(models: Models, name: str) -> dict[str, Any]:
    card = models.model(name).card
    failures = card.raw.get("known_failures", [])
    return {
        "name": card.name,
        "headline": card.headline,
        "description": str(card.raw.get("description", "")),
        "licence": card.licence,
        "window_s": card.window_s,
        "hop_s": models.config.stream.hop_s,
        "known_failures": [str(item) for item in failures] if isinstance(failures, list) else [],
        "labels": [
            # A page's small letters need more contrast (4.5 : 1) than a terminal's: black itself.
            {"name": label, "colour": tint.colour, "ink": "#000000", "letter": tint.letter}
            for label, tint in tints(card.labels).items()
        ],
    }
