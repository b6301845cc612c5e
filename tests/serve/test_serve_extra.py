"""Without the extra ``serve`` the tests of this folder are left out, and this one says so."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize("name", ["starlette", "uvicorn", "websockets", "prometheus_client"])
def test_the_extra_is_installed(name: str) -> None:
    pytest.importorskip(name, reason=f"{name} is not installed: the server is not tested; pip install '.[serve]'")
    importlib.import_module(name)
