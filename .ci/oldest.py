"""The oldest releases that pyproject.toml allows to a user, as constraints for pip."""

import re
from pathlib import Path

import tomllib

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
for requirement in [
    *project["dependencies"],
    *(each for name in ("serve", "formats", "osc", "mqtt", "completion") for each in extras[name]),
]:
    name, oldest = re.match(r"([\w.-]+)[^>]*>=([\d.]+)", requirement).groups()
    print(f"{name}=={oldest}")
