"""Real-time speech-emotion classification from a microphone or a recording.

    for estimate in realtime_ser.stream("talk.wav"):
        print(estimate.end_s, estimate.label, estimate.confidence)

    print(realtime_ser.classify("talk.wav").label)

Names are imported on first use, so that ``import realtime_ser`` is fast.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtime_ser.batch.one import classify
    from realtime_ser.batch.result import Result
    from realtime_ser.config import Config, load_config
    from realtime_ser.engine.engine import Engine
    from realtime_ser.engine.profile import Profile
    from realtime_ser.errors import ConfigError, ModelError, SerError, SinkError, SourceError
    from realtime_ser.model.classifier import Classifier, load_model
    from realtime_ser.pipeline.run import stream
    from realtime_ser.records import Block, Estimate, Health, Segment

__version__ = "0.2.0"

# From 1.29 on, ONNX Runtime sends usage data to its maker and stores an identifier of this machine in the home folder unless
# this is set before the import; its own function to disable this takes effect too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_HOME = {
    "classify": "batch.one",
    "Result": "batch.result",
    "Config": "config",
    "load_config": "config",
    "Engine": "engine.engine",
    "Profile": "engine.profile",
    "ConfigError": "errors",
    "ModelError": "errors",
    "SerError": "errors",
    "SinkError": "errors",
    "SourceError": "errors",
    "Classifier": "model.classifier",
    "load_model": "model.classifier",
    "stream": "pipeline.run",
    "Block": "records",
    "Estimate": "records",
    "Health": "records",
    "Segment": "records",
}

__all__ = [
    "Block",
    "Classifier",
    "Config",
    "ConfigError",
    "Engine",
    "Estimate",
    "Health",
    "ModelError",
    "Profile",
    "Result",
    "Segment",
    "SerError",
    "SinkError",
    "SourceError",
    "__version__",
    "classify",
    "load_config",
    "load_model",
    "stream",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"realtime_ser.{_HOME[name]}"), name)
    raise AttributeError(f"module 'realtime_ser' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
