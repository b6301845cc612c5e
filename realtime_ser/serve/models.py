"""The models that a server offers: each loaded once, however many streams use it."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.model.classifier import Classifier, load_model


class Models:
    """Loads the models when the server starts, so that a fault in one shows then.

    Parameters
    ----------
    config : its ``model`` is what a client gets that names none
    also : further models that a client may name: shipped names or paths of bundles

    Attributes
    ----------
    names : as on their cards, the default first

    Raises
    ------
    ConfigError, ModelError : there is no such bundle, it is damaged, or the settings do not fit it
    """

    def __init__(self, config: Config, also: Sequence[str] = ()) -> None:
        self.config = config
        loaded = [load_model(name) for name in dict.fromkeys([config.model, *also])]
        self._models = {model.card.name: model for model in reversed(loaded)}
        self.names = tuple(model.card.name for model in loaded)
        for model in loaded:
            Engine(model, config)

    def model(self, name: str | None = None) -> Classifier:
        """The model of that name, or the default one.

        Raises
        ------
        KeyError : it is not offered
        """
        return self._models[self.names[0] if name is None else name]

    def engine(self, name: str | None = None) -> Engine:
        """An engine of its own for a stream.

        Raises
        ------
        KeyError : the model is not offered
        """
        return Engine(self.model(name), self.config)
