"""One self-contained page: the protocol in words, the truths, the tables, and a few realizations."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gempy_gan_bench import pictures, tables
from gempy_gan_bench.tables import COLUMNS, PASSES
from gempy_gan_bench.truths import OFF_CENTRE

DIVERSE = (0.8, 1.2)  # of the reference
SHOWN = (1, 3)  # truths of which realizations are shown
WIDEST = 160  # pixels on the screen
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 110rem; padding: 0 1rem; color: #222 }
p { max-width: 60rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .5rem; text-align: right; border-bottom: 1px solid #ddd }
th { vertical-align: bottom; font-weight: 600 }
.name { text-align: left; white-space: nowrap }
.good { background: #d8f0d8 } .bad { background: #f8d8d4 }
.first td { border-top: 2px solid #888 }
figure { display: inline-block; margin: .5rem 1rem .5rem 0 }
figcaption, small { font-size: 12px; color: #555 }
img { image-rendering: pixelated }
div { overflow-x: auto }
dl { display: grid; grid-template-columns: max-content auto; gap: 0 1rem } dt { font-weight: 600 } dd { margin: 0 }
"""

HEAD = ("", "truth", "wells", "seismic", "n")
SUMMARY_HEAD = ("", "prior", "cases", "cases passed", "worst share", "seismic helps")


def page(found: Sequence[Mapping[str, Any]], files: Sequence[Mapping[str, Any]]) -> str:
    """The page of rows, with the pictures that the files of cases hold."""
    parts = [
        "<h1>Inversion of held-out fluvial deposits</h1>",
        *(f"<p>{html.escape(line)}</p>" for line in protocol(files)),
        "<h2>Truths</h2>",
        *_truths(files),
        "<h2>Figures</h2>",
        f"<dl>{''.join(f'<dt>{heading}</dt><dd>{html.escape(meaning)}</dd>' for heading, _, meaning in COLUMNS.values())}</dl>",
        "<h2>Summary</h2>",
        _table(SUMMARY_HEAD, (), [_of_summary(line) for line in tables.summary(found)]),
        "<h2>Cases</h2>",
        _table(HEAD, ("warned",), [_of_row(row) for row in found]),
        "<h2>Realizations</h2>",
        *_realizations(files),
        "<h2>Warnings</h2>",
        f"<ul>{''.join(_warnings(found)) or '<li>None.</li>'}</ul>",
    ]
    title = f"<title>gempy-gan-bench</title><style>{STYLE}</style>"
    return "\n".join(["<!doctype html>", '<html lang="en">', '<meta charset="utf-8">', title, *parts, "</html>", ""])


def protocol(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """The protocol in sentences."""
    data = files[0]["record"]["data"]
    box, volume = (" x ".join(str(n) for n in shape) for shape in (data["shape"], (*data["columns"], data["shape"][2])))
    wells = " < ".join(str(count) for count in data["wells"])
    truth = (
        f"Truths are boxes of {box} cells, cut from volumes of {volume} cells that fluvial-simulator (physics {data['physics']}) "
        "made from seeds that nothing was trained on. Labels of the third one lie outside the ranges that priors learn from: "
        f"{', '.join(f'{name} {value:g}' for name, value in OFF_CENTRE.items())}."
    )
    given = (
        f"Data are {wells} nested vertical wells through the whole height (coarse fraction; noise {data['well_std']:g}), and "
        f"where it says so the seismic traces of every column (noise {data['seismic_noise']:g} of the signal's RMS). "
        f"{data['held_out']} more wells are held out."
    )
    shown = (
        "All figures are those of the realizations as the strategy left them, before any clamp. Pass: with Wilson's 95 % "
        f"interval, green from {PASSES:g}. Diversity: the strategy's spread given nothing but {data['weak_cells']} cells with "
        f"noise {data['weak_std']:g}, over that of the posterior, which importance sampling knows; green from {DIVERSE[0]:g} to "
        f"{DIVERSE[1]:g}; blank where too few prior draws were had, or are worth too little."
    )
    return [truth, given, shown]


def _of_row(row: Mapping[str, Any]) -> list[str]:
    case = [str(row["truth"]), str(row["wells"]), "yes" if row["seismic"] else "", str(row["n"])]
    warned = str(len(row["warnings"]) or "")
    return [_name(row["label"]), *map(_cell, case), *(_figure(key, row) for key in COLUMNS), _cell(warned)]


def _of_summary(line: Mapping[str, Any]) -> list[str]:
    helped, pairs = line["seismic_helps"]
    counts = (str(line["cases"]), f"{line['cases_passed']} of {line['cases']}", f"{line['worst_pass_rate']:.2f}")
    texts = (*counts, f"{helped} of {pairs}")
    return [_name(line["label"]), _name(line["prior"]), *map(_cell, texts), *(_figure(key, line) for key in COLUMNS)]


def _figure(key: str, row: Mapping[str, Any]) -> str:
    """A figure as a cell, coloured where it has a target."""
    value, form = row.get(key), COLUMNS[key][1]
    if value is None:
        return _cell("")
    values = value if isinstance(value, list) else [value]  # a summary has ranges
    text = " to ".join(format(each, form) for each in values)
    if key == "pass_rate" and "pass_low" in row:
        text += f" <small>{row['pass_low']:.2f}-{row['pass_high']:.2f}</small>"
    if key == "diversity_ratio" and row.get("diversity_error") is not None:
        text += f" <small>&plusmn; {row['diversity_error']:.2f}</small>"
    targets = {"pass_rate": (PASSES, 1.0), "diversity_ratio": DIVERSE}
    if key not in targets:
        return _cell(text)
    low, high = targets[key]
    return _cell(text, "good" if all(low <= each <= high for each in values) else "bad")


def _cell(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{text}</td>' if kind else f"<td>{text}</td>"


def _name(text: str) -> str:
    return _cell(html.escape(text), "name")


def _table(before: Sequence[str], after: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells, the figures between others; a thick rule where the first cell changes."""
    figures = (f'<th title="{html.escape(meaning)}">{heading}</th>' for heading, _, meaning in COLUMNS.values())
    head = [*(f"<th>{name}</th>" for name in before), *figures, *(f"<th>{name}</th>" for name in after)]
    rows = [f"<tr>{''.join(head)}</tr>"]
    for previous, line in zip([None, *lines], lines, strict=False):
        first = ' class="first"' if previous is None or previous[0] != line[0] else ""
        rows.append(f"<tr{first}>{''.join(line)}</tr>")
    return f"<div><table>{''.join(rows)}</table></div>"


def _truths(files: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for number, file in sorted({file["case"]["truth"]: file for file in files if "case" in file}.items()):
        about = file["deposit"]
        named = f"width {about['labels']['width']:.0f} m, sinuosity {about['labels']['sinuosity']:.2f}"
        caption = f"truth {number}: net-to-gross {about['net_to_gross']:.2f}, {named}"
        yield _picture(pictures.decoded(about["picture"], file["record"]["data"]["shape"]), caption)


def _realizations(files: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The kept realizations of each contender's case with most data, on the first truth and on the one that is unlike others."""
    cases = [file for file in files if "case" in file]
    for label in dict.fromkeys(file["label"] for file in cases):
        for truth in SHOWN:
            mine = [file for file in cases if file["label"] == label and file["case"]["truth"] == truth]
            if mine:
                shown = max(mine, key=lambda file: (file["case"]["wells"], file["case"]["seismic"]))
                for picture in shown["pictures"]:
                    yield _picture(pictures.decoded(picture, shown["record"]["data"]["shape"]), f"{label}, {shown['name']}")


def _warnings(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in found:
        case = f"{row['label']}, truth {row['truth']}, {row['wells']} wells{', seismic' if row['seismic'] else ''}"
        for line in row["warnings"]:
            yield f"<li>{html.escape(f'{case}: {line}')}</li>"


def _picture(parts: tuple[pictures.Array, pictures.Array], caption: str) -> str:
    image = f'<img width="{WIDEST}" src="data:image/png;base64,{pictures.png(*parts)}" alt="{html.escape(caption)}">'
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"
