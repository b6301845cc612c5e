"""YAML from outside -> plain values: limited in size, without anchors, and ValueError for any fault."""

from __future__ import annotations

import re
from typing import Any

from realtime_ser.text import one_line

# The shipped settings have 4 kB. PyYAML parses about 100 kB a second; the limit makes a bad file fail quickly.
MAX_BYTES = 32 * 1024
_EXPONENT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")


def parse_yaml(text: bytes | str) -> Any:
    """The values of a YAML text.

    Raises
    ------
    ValueError : too long, not YAML, a name that stands twice in one section, an anchor (a few lines of them expand to
        gigabytes), or a value that does not fit its tag; the message is one line
    """
    import yaml

    if len(text) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES // 1024} KiB")

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("anchors and aliases are not supported; write the value out")
            return super().compose_node(parent, index)

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            seen: set[tuple[str, str]] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if (key.tag, key.value) in seen:  # PyYAML would keep the last and lose the first
                        raise yaml.YAMLError(f"{key.value!r} stands twice, in line {key.start_mark.line + 1} again")
                    seen.add((key.tag, key.value))
            return node

    # YAML 1.1 takes 1e9 and 2.5e3 for text: it wants a point and a sign. People mean the number, as YAML 1.2 does.
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
    try:
        return yaml.load(text, Loader)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    # SafeLoader's constructors raise the exceptions of their conversions: IndexError for "!!int ''", KeyError for "!!bool x".
    except Exception as error:
        reason = one_line(error)
        if not isinstance(error, yaml.YAMLError | ValueError):
            reason = f"a value does not fit its tag ({reason})"
        raise ValueError(reason[:300]) from error
