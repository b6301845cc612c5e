"""Real-time speech-emotion classification from a microphone or a recording."""

from __future__ import annotations

__version__ = "0.1.0"
