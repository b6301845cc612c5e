"""The models that a server offers: each loaded once, however many streams use it."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.errors import ConfigError, SinkError
from realtime_ser.model.classifier import Classifier, load_model
from realtime_ser.profiles.folder import check_name
from realtime_ser.profiles.run import OpenProfile
from realtime_ser.records import Notice
from realtime_ser.serve.protocol import ProtocolError


class Models:
    """Loads the models when the server starts, so that a fault in one shows then.

    Parameters
    ----------
    config : its ``model`` is what a client gets that names none
    also : further models that a client may name: shipped names or paths of bundles
    profiles : a client may name a profile, which its stream begins with and updates

    Attributes
    ----------
    names : as on their cards, the default first

    Raises
    ------
    ConfigError, ModelError : there is no such bundle, it is damaged, or the settings do not fit it
    """

    def __init__(self, config: Config, also: Sequence[str] = (), *, profiles: bool = False) -> None:
        self.config = config
        self._profiles = profiles
        loaded = [load_model(name, vote=config.stream.vote) for name in dict.fromkeys([config.model, *also])]
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

    def engine(self, name: str | None = None, profile: OpenProfile | None = None) -> Engine:
        """An engine of its own for a stream.

        Raises
        ------
        KeyError : the model is not offered
        """
        return Engine(self.model(name), self.config, profile=None if profile is None else profile.profile)

    def check_profile(self, name: str | None) -> None:
        """Refuse a profile that a client may not name.

        Raises
        ------
        ProtocolError : the server keeps no profiles, or the name can be no profile's
        """
        if name is None:
            return
        if not self._profiles:
            raise ProtocolError("not_allowed", "this server keeps no profiles; 'serve --allow-profiles' does")
        try:
            check_name(name)
        except ConfigError as error:
            raise ProtocolError("bad_message", str(error)) from error


def keep(opened: OpenProfile, engine: Engine) -> list[Notice]:
    """Update a profile from a stream that has ended; notices for its last records where that fails."""
    opened.learn(engine)
    try:
        opened.save()
    except SinkError as error:
        return [Notice("profile_unused", str(error), engine.health.captured, engine.sample_rate)]
    return []
