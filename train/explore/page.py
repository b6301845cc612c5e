"""A self-contained HTML page."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from train.atomic import write_text

_STYLE = """
body{font:15px/1.55 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem;color:#222}
h2{margin-top:2.2rem}img{max-width:100%}pre{overflow-x:auto;font-size:12px;background:#f7f7f7;padding:.8rem}
p.note{color:#555}"""


@dataclass(frozen=True)
class Section:
    """A heading, findings, pictures, and preformatted text."""

    title: str
    found: tuple[str, ...] = ()
    pictures: tuple[Path, ...] = ()
    text: str = ""


def write(sections: Sequence[Section], path: Path, title: str) -> Path:
    """Write the page with the pictures embedded."""
    parts = [f"<h1>{html.escape(title)}</h1>"]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        parts += [f"<p>{html.escape(line)}</p>" for line in section.found]
        if section.text:
            parts.append(f"<pre>{html.escape(section.text)}</pre>")
        for picture in section.pictures:
            data = base64.b64encode(picture.read_bytes()).decode("ascii")
            parts.append(f"<p><img alt='{html.escape(picture.stem)}' src='data:image/png;base64,{data}'></p>")
    head = f"<meta charset='utf-8'><title>{html.escape(title)}</title><style>{_STYLE}</style>"
    body = "\n".join(parts)
    write_text(path, f"<!doctype html><html lang='en'><head>{head}</head><body>\n{body}\n</body></html>\n")
    return path
