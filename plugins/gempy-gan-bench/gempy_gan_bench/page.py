"""One self-contained page: the protocol in words, the truths, the tables, and a few realizations."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gempy_gan_bench import tables
from gempy_gan_bench.figures import THRESHOLD
from gempy_gan_bench.tables import COLUMNS, PASSES
from gempy_gan_bench.truths import OFF_CENTRE, Truth

DIVERSE = (0.8, 1.2)  # of the reference
SHOWN = (1, 3)  # truths of which realizations are shown
GAP, STRETCH, WIDEST = 2, 2, 160  # pixels between layer and section, how often a layer of the section is repeated, screen pixels
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
"""

HEAD = ("", "truth", "wells", "seismic", "n")
SUMMARY_HEAD = ("", "prior", "cases", "cases passed", "worst share", "seismic helps")


def page(found: Sequence[Mapping[str, Any]], files: Sequence[Mapping[str, Any]], truths: Sequence[Truth]) -> str:
    """The page of rows, with the pictures that `files` hold, and the truths."""
    figures = [heading for heading, _ in COLUMNS.values()]
    parts = [
        "<h1>Inversion of held-out fluvial deposits</h1>",
        *(f"<p>{html.escape(line)}</p>" for line in protocol(files)),
        "<h2>Truths</h2>",
        *(_picture(images(truth.fraction), f"{k}: {_about(truth)}") for k, truth in enumerate(truths, start=1)),
        "<h2>Summary</h2>",
        _table((*SUMMARY_HEAD, *figures), [_of_summary(line) for line in tables.summary(found)]),
        "<h2>Cases</h2>",
        _table((*HEAD, *figures, "warned"), [_of_row(row) for row in found]),
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
    meant = (
        "All figures are those of the realizations as the strategy left them, before any clamp. Inversion error: mean "
        f"|datum - value| at the wells; share within {THRESHOLD:g}: of the realizations, with Wilson's 95 % interval, green from "
        f"{PASSES:g}. Generalization error: mean |truth - value| over the cells without wells. Balanced match: of the facies at "
        "the wells, mean over facies. Diversity: RMS difference between two realizations, given nothing but "
        f"{data['weak_cells']} cells with noise {data['weak_std']:g}, over that of the posterior, known from importance "
        f"sampling; green from {DIVERSE[0]:g} to {DIVERSE[1]:g}; blank where too few prior draws were had, or are worth too "
        "little. CPU seconds and network evaluations are per realization."
    )
    return [truth, given, meant]


def images(fraction: Any) -> tuple[Any, Any]:
    """The middle layer (nx, ny) and the middle section along x (nx, nz) of a coarse fraction."""
    return fraction[:, :, fraction.shape[2] // 2], fraction[:, fraction.shape[1] // 2]


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


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells; a thick rule where the first one changes."""
    rows = ["<tr>" + "".join(f"<th>{name}</th>" for name in head) + "</tr>"]
    for before, line in zip([None, *lines], lines, strict=False):
        first = ' class="first"' if before is None or before[0] != line[0] else ""
        rows.append(f"<tr{first}>{''.join(line)}</tr>")
    return f"<div><table>{''.join(rows)}</table></div>"


def _about(truth: Truth) -> str:
    return (
        f"net-to-gross {truth.net_to_gross:.2f}, width {truth.labels['width']:.0f} m, sinuosity {truth.labels['sinuosity']:.2f}"
    )


def _realizations(files: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The kept realizations of each contender's case with most data, on the first truth and on the one that is unlike others."""
    cases = [file for file in files if "case" in file]
    for label in dict.fromkeys(file["label"] for file in cases):
        for truth in SHOWN:
            mine = [file for file in cases if file["label"] == label and file["case"]["truth"] == truth]
            if mine:
                shown = max(mine, key=lambda file: (file["case"]["wells"], file["case"]["seismic"]))
                for picture in shown["pictures"]:
                    yield _picture(_decoded(picture, shown["record"]["data"]["shape"]), f"{label}, {shown['name']}")


def _decoded(picture: Mapping[str, str], shape: Sequence[int]) -> tuple[Any, Any]:
    """Layer and section of a picture as a case's file holds it."""
    layer, section = (np.frombuffer(base64.b64decode(picture[part]), np.uint8) / 255 for part in ("layer", "section"))
    return layer.reshape(shape[0], -1), section.reshape(shape[0], -1)


def _warnings(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in found:
        case = f"{row['label']}, truth {row['truth']}, {row['wells']} wells{', seismic' if row['seismic'] else ''}"
        for line in row["warnings"]:
            yield f"<li>{html.escape(f'{case}: {line}')}</li>"


def _picture(parts: tuple[Any, Any], caption: str) -> str:
    """A layer, and below it a section along x."""
    layer, section = parts[0].T[::-1], np.repeat(parts[1].T[::-1], STRETCH, axis=0)
    width = max(WIDEST, layer.shape[1])
    data = _png(np.vstack([layer, np.full((GAP, layer.shape[1]), np.nan), section]))
    image = f'<img width="{width}" src="data:image/png;base64,{data}" alt="{html.escape(caption)}">'
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _png(values: Any) -> str:
    from matplotlib import colormaps, image

    colours = np.array(colormaps["cividis"](np.nan_to_num(values)))
    colours[np.isnan(values)] = 1.0
    out = io.BytesIO()
    image.imsave(out, colours, format="png", metadata={"Software": ""})
    return base64.b64encode(out.getvalue()).decode()
