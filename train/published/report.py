"""The table of published systems: Markdown, one self-contained HTML page, and JSON."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.atomic import write_text
from train.published import charts
from train.published.ours import our_rows

Row = Mapping[str, Any]

_HEAD = [
    "system",
    "data",
    "inputs",
    "protocol",
    "train",
    "val.",
    "test",
    "UAR",
    "published",
    "epochs",
    "training",
    "weights",
    "ms",
]
_INTRO = """\
Each system is trained again from its description and scored twice: as its authors did (a random split, so that the same
speakers are on both sides), and on unseen speakers (grouped folds, mean over all of them; ± is the deviation of
the folds' UAR). Figures are percent of test clips. UAR is the mean of the classes' recalls. Nothing is chosen on a test clip:
the last epoch counts.

- **Front end**: the live path's own, at 16 kHz, 2,048 samples a frame, 512 a hop, equal to librosa's at those settings.
- **training**: CPU seconds of one fold on one thread, scoring left out. Published times are from their authors' machines.
- **ms**: CPU time for one 3 s window, front end and network; the published systems compute the whole window each time, ours
  only the new audio of a 0.25 s hop.
- **epochs**: those run here; the published number in brackets where it is another.
"""
_NOT_PUBLISHED = """\
Where a description leaves something open we chose and kept to it: A-flat has one hidden layer of 300 units and 100 epochs;
A-cnn three convolutions (8, 16, 32) with pooling and 10 epochs, on 128 frames of standardised MFCC, chroma and log-mel; B-rnn
64 units a layer, on standardised log-mel and 20 MFCC over 128 frames; C-dnn a penalty of 0.001. All use Adam at 0.001 and
batches of 64. Inputs are raw unless the row says "scaled". A's published figures are not split by data, so each row
repeats them.
"""


def write(
    done: Sequence[Row], output: Path, *, weights: Path | None = None, runs: Path | None = None, beside: Sequence[Row] = ()
) -> Path:
    """Write ``published.md``, ``.html``, ``.json`` and ``published/*.png``; returns the Markdown file.

    Parameters
    ----------
    done : what ``published.run`` returned for each row
    weights : folder of our own bundles' cards; None: the shipped ones
    runs : where their folds' scores are; None: their cards have them
    beside : rows that come with ours, of the same folds
    """
    ours = [*beside, *our_rows(weights, runs)]
    rows = [*sorted(done, key=_order), *ours]
    pictures = _pictures([row for row in done if row.get("confusion")], ours, output / "published")
    write_text(output / "published.json", json.dumps([_lean(row) for row in rows], indent=1) + "\n")
    write_text(output / "published.html", _html(rows, output, pictures))
    path = output / "published.md"
    write_text(path, _markdown(rows, pictures))
    return path


def _order(row: Row) -> tuple[Any, ...]:
    parts = ("full", "as described", "full, scaled", "scaled", "mfcc", "chroma", "mel")
    data = ("speech", "song", "both, 6 emotions", "both, 8 emotions")
    place = data.index(row["data"]) if row["data"] in data else 0
    return row["system"], place, parts.index(row["variant"]), row["protocol"]


def _main(row: Row) -> bool:
    return bool(row["published"])


def cells(row: Row) -> list[str]:
    """A row of the table, in the order of its head."""
    published = ", ".join(
        f"{name} {value:g} %" if isinstance(value, int | float) and name != "seconds" else f"{value:,} s"
        for name, value in row["published"].items()
        if name != "remark"
    )
    remark = row["published"].get("remark", "")
    again = row["published_epochs"] not in (None, row["epochs"])
    epochs = "" if row["epochs"] is None else f"{row['epochs']:,}" + (f" [{row['published_epochs']:,}]" if again else "")
    spread = f" ± {row['uar_std']:.1f}" if row["folds"] > 1 else ""
    latency = row["latency_ms"]
    return [
        row["system"],
        row["data"],
        row["variant"],
        {"random": "random", "speaker": f"unseen speakers, {row['folds']} folds"}.get(row["protocol"], row["protocol"]),
        _number(row["train"]),
        _number(row["validation"]),
        _number(row["test"]),
        _number(row["uar"]) + spread,
        "; ".join(filter(None, (published, remark))) if row["protocol"] != "speaker" else "",
        epochs,
        "" if row["seconds"] is None else f"{row['seconds']:,.0f} s",
        "" if row["parameters"] is None else f"{row['parameters']:,}",
        "" if not latency else f"{sum(latency.values()):.1f}",
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def findings(rows: Sequence[Row]) -> list[str]:
    """Checks of the authors' own remarks against the rows."""
    found = []
    by_id = {row["id"]: row for row in rows}
    for row in rows:
        if row["system"] == "A-cnn" and row["protocol"] == "random":
            flat = by_id.get(row["id"].replace("A-cnn", "A-flat"))
            if flat:
                whole = row["seconds"] / flat["seconds"]
                epoch = whole * flat["epochs"] / row["epochs"]
                found.append(
                    f"A-cnn, {row['data']}: training takes {whole:.0f} times as long as A-flat's, an epoch {epoch:.0f} times "
                    "(published: 20 times)."
                )
        where = f"{row['system']}, {row['data']}, {row['variant']}, {row['protocol']}"
        if row["system"] == "C-dnn" and row.get("confusion"):
            angry, happy = row["labels"].index("angry"), row["labels"].index("happy")
            share = 100 * row["confusion"][angry][happy] / max(1, sum(row["confusion"][angry]))
            found.append(f"{where}: {share:.1f} % of angry taken for happy (published 12.25 %).")
        if row["system"] == "B-cnn":
            recall = {name: row["per_class"][name]["recall"] for name in ("angry", "sad")}
            found.append(f"{where}: angry {recall['angry']:.0f} %, sad {recall['sad']:.0f} % right (published 82 and 85 %).")
        for corpus, score in row.get("unseen_corpora", {}).items():
            of = f"its {len(score['labels'])} of these emotions" if len(score["labels"]) < len(row["labels"]) else "all five"
            found.append(
                f"{where}, on {corpus}, which did not train ({of}): {score['accuracy']} % right, UAR {score['uar']} %."
            )
        if row.get("never_answered"):
            found.append(f"{where}: never answers {', '.join(row['never_answered'])}.")
    return found


def _absent(rows: Sequence[Row]) -> str:
    absent = sorted({name for row in rows for name in (*row.get("absent", ()), *row.get("unseen_absent", ()))})
    if not absent:
        return ""
    return (
        f"Corpora of the authors that are not here: {', '.join(absent)}. Where some are missing the row ran on the others, and "
        "its figures compare the two protocols with each other rather than with the published ones: the corpora that remain "
        "are cleaner, and TESS has two voices only, which a random split puts on both sides."
    )


def _class_table(row: Row) -> tuple[list[str], list[list[str]]]:
    lines = []
    for label, values in row["per_class"].items():
        lines.append(
            [label, *(_number(values.get(name)) or "–" for name in ("precision", "recall")), str(values.get("clips", ""))]
        )
    return ["class", "precision", "recall", "clips"], lines


def _markdown(rows: Sequence[Row], pictures: Sequence[str]) -> str:
    main = [row for row in rows if _main(row)]
    others = [row for row in rows if not _main(row)]
    out = ["# Published systems, trained again", "", _INTRO, _absent(rows), ""]
    out += [_table(_HEAD, [cells(row) for row in main]), "", _NOT_PUBLISHED, "## Other claims, checked", ""]
    out += [f"- {line}" for line in findings(main)]
    out += ["", "## Each transform alone, and standardised inputs", "", _table(_HEAD, [cells(row) for row in others]), ""]
    out += ["## Precision and recall", ""]
    for row in main:
        if row["per_class"]:
            head, lines = _class_table(row)
            title = f"**{row['system']}**, {row['data']}, {row['variant']}, {row['protocol']}"
            labels = [line[0] for line in lines]
            transposed = [[head[i], *(line[i] for line in lines)] for i in (1, 2)]
            out += [title, "", _table(["%", *labels], transposed), ""]
    out += ["## Pictures", ""]
    out += [f"![{Path(name).stem}]({name})\n" for name in pictures]
    return "\n".join(out)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    text = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*text, *("| " + " | ".join(line) + " |" for line in lines)])


_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1200px;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0;font-size:13px}
td,th{padding:.25rem .6rem;border-bottom:1px solid #e4e4e4;text-align:left}
td:nth-child(n+5):nth-child(-n+8){text-align:right;font-variant-numeric:tabular-nums}
tr.speaker{background:#f2f6fb}
details table td{text-align:right}
details table td:first-child{text-align:left}
img{max-width:100%}"""


def _html(rows: Sequence[Row], output: Path, pictures: Sequence[str]) -> str:
    def table(head: Sequence[str], some: Sequence[tuple[str, Sequence[str]]]) -> str:
        lines = "".join(f"<tr class='{kind}'>{''.join(f'<td>{html.escape(c)}</td>' for c in line)}</tr>" for kind, line in some)
        return f"<table><tr>{''.join(f'<th>{html.escape(name)}</th>' for name in head)}</tr>{lines}</table>"

    main = [row for row in rows if _main(row)]
    others = [row for row in rows if not _main(row)]
    parts = ["<h1>Published systems, trained again</h1>"]
    parts += [
        f"<p>{html.escape(text).replace('**', '')}</p>" for text in (*_INTRO.split("\n- "), _absent(rows), _NOT_PUBLISHED)
    ]
    parts.append(table(_HEAD, [(row["protocol"], cells(row)) for row in main]))
    parts.append("<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in findings(main)) + "</ul>")
    parts.append("<h2>Each transform alone, and standardised inputs</h2>")
    parts.append(table(_HEAD, [(row["protocol"], cells(row)) for row in others]))
    parts.append("<h2>Precision and recall</h2>")
    for row in rows:
        if row["per_class"]:
            head, lines = _class_table(row)
            title = html.escape(f"{row['system']}, {row['data']}, {row['variant']}, {row['protocol']}")
            parts.append(f"<details><summary>{title}</summary>{table(head, [('', line) for line in lines])}</details>")
    parts.append("<h2>Pictures</h2>")
    for name in pictures:
        image = base64.b64encode((output / name).read_bytes()).decode("ascii")
        parts.append(f"<p><img alt='{html.escape(Path(name).stem)}' src='data:image/png;base64,{image}'></p>")
    body = "\n".join(parts)
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Published systems, trained again</title>"
        f"<style>{_STYLE}</style><body>{body}</body></html>\n"
    )


def _pictures(rows: Sequence[Row], ours: Sequence[Row], folder: Path) -> list[str]:
    """The overview, then curves and confusions of every main row; names relative to the folder above."""
    pairs: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        if _main(row):
            pairs.setdefault((row["system"], row["data"]), {})[row["protocol"]] = row
    if not pairs:
        return []
    lines = [(f"{system}, {data}", pair) for (system, data), pair in pairs.items()]
    lines += [(f"{row['system']}, {row['data']}", {"speaker": row}) for row in ours]
    charts.overview(lines, folder / "overview.png")
    names = ["published/overview.png"]
    for (system, data), pair in pairs.items():
        stem = f"{system}-{data}".replace(",", "").replace(" ", "-")
        both = [pair[protocol] for protocol in ("random", "speaker") if protocol in pair]
        for kind, draw in (("curves", charts.curves), ("confusion", charts.confusions)):
            path = folder / f"{stem}-{kind}.png"
            draw(both, path)
            if path.exists():
                names.append(f"published/{path.name}")
    for row in ours:
        if row["confusion"]:
            stem = row["system"].replace(" + ", " ").replace(" ", "-")
            charts.confusions([row], folder / f"{stem}-confusion.png")
            names.append(f"published/{stem}-confusion.png")
    return names


def _lean(row: Row) -> dict[str, Any]:
    """Round curves to a tenth of a percent, to keep the results file readable."""
    history = [{key: round(value, 3) for key, value in entry.items()} for entry in row.get("history", ())]
    return {**row, "history": history}
