"""``pytest tests/torture`` runs the short form, ``pytest tests/torture --torture`` the long one."""

from __future__ import annotations

from typing import TypeVar

import pytest

T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--torture", action="store_true", help="the long form of the tests in tests/torture: an hour, not minutes")


class Torture:
    """Which form runs.

    Attributes
    ----------
    full : whether it is the long one
    """

    def __init__(self, full: bool) -> None:
        self.full = full

    def pick(self, short: T, full: T) -> T:
        """A count, duration or whatever else for the short form and for the long one."""
        return full if self.full else short


@pytest.fixture(scope="session")
def torture(request: pytest.FixtureRequest) -> Torture:
    # Without the option: a run of all tests, in which this file is found too late to add one.
    return Torture(bool(request.config.getoption("--torture", default=False)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # The time limit of ordinary tests is for the short form.
    if config.getoption("--torture", default=False):
        for item in items:
            item.add_marker(pytest.mark.timeout(6 * 3600))
