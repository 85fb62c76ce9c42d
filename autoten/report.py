"""An estimate in words: plain text, plain values for JSON, and HTML, for a notebook or as a web page with pictures."""

from __future__ import annotations

import ast
import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from importlib import import_module, resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from autoten._errors import to_be_written
from autoten.labels import wavelength_modes
from autoten.model import brightest
from autoten.table import LOWEST_CONSISTENCY

if TYPE_CHECKING:
    from autoten.answer import RankEstimate
    from autoten.model import CPModel

# Columns of the printed table: score, heading, format, meaning.
COLUMNS = (
    ("fit", "fit %", "fit", "explained share of the sum of squares, of the best start"),
    ("core_consistency", "core cons.", "points", "core consistency: 100 where components do not mix at all"),
    (
        "corrected_core_consistency",
        "corrected",
        "points",
        "the same, without what noise and short modes cost even a true model",
    ),
    ("ceiling", "ceiling", "points", "the largest core consistency that modes of these lengths allow"),
    ("heldout", "held-out", "share", "error on cells that the fit has not seen; 1 is no better than predicting zero"),
    (
        "stability_folds",
        "stability",
        "share",
        "how alike components are when found without a part of the cells: 1 the same, 0 nothing in common",
    ),
    ("stability_halves", "halves", "share", "the same, of models of two halves of the longest mode"),
    (
        "residual_excess",
        "left",
        "times",
        "what the strongest component left explains, in times that of noise: 1 where nothing but noise is left",
    ),
)

# Pictures of the page: a function of `autoten.plots`, its caption.
PANELS = (
    ("plot_fit", "Fit: the explained share of the sum of squares against rank"),
    ("plot_core_consistency", "Core consistency against rank: raw, corrected, and the ceiling"),
    ("plot_heldout", "Held-out error, relative to predicting zero, against rank"),
    ("plot_front", "Pareto front: core consistency against accuracy, a point for each rank"),
    ("plot_leftover", "What is left, beside noise, and the weakest component of the model, against rank"),
)

# Inches, the least: on a narrow screen one picture fills a row, and its texts keep about the size they have in print.
PICTURE_SIZE = (3.7, 2.9)

# Above the table on a narrow screen.
MORE = "Scroll sideways for all columns →"

# Components are drawn up to this rank; beyond it no picture of them can be read.
LARGEST_DRAWN = 30


def as_text(estimate: RankEstimate) -> str:
    """Return the report as plain text."""
    cells = _cells(estimate)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [headline(estimate), estimate.reason, ""]
    lines += ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    lines += ["", *_notes(estimate)]
    if estimate.warnings:
        lines += ["", "Warnings:", *(f"- {warning}" for warning in estimate.warnings)]
    return "\n".join([*lines, "", _how(estimate)])


def as_plain(estimate: RankEstimate, *, factors: bool = False) -> Any:
    """Return the estimate as plain values, with its model on request; what is not finite becomes None."""
    names = ("rank", "reason", "alternatives", "probabilities", "warnings", "timings", "settings")
    plain = {name: getattr(estimate, name) for name in names}
    plain |= {"table": estimate.table.to_dict(), "complete": estimate.table.complete}
    if estimate.choice.in_place_of is not None:
        plain["in_place_of"] = estimate.choice.in_place_of.rank
    if factors:
        plain["model"] = _plain_model(estimate.model)
    if estimate.by_solver:
        plain["by_solver"] = {name: as_plain(each, factors=factors) for name, each in estimate.by_solver.items()}
    return _finite(plain)


def _plain_model(model: CPModel) -> dict[str, Any]:
    """Return weights and factors as plain lists, with the labels of each mode or None."""
    named = model.named
    labels = [None if index is None else [str(label) for label in index] for index in named.indices]
    of_modes = zip(named.names, labels, (factor.tolist() for factor in model.factors), strict=True)
    modes = [{"mode": name, "labels": index, "factor": factor} for name, index, factor in of_modes]
    return {"weights": model.weights.tolist(), "modes": modes}


def as_html(estimate: RankEstimate) -> str:
    """Return the report as a fragment of HTML, without pictures."""
    return (
        f"<div><p><b>{escape(headline(estimate))}</b><br>{escape(estimate.reason)}</p>{_table(estimate)}"
        f"<p>{'<br>'.join(map(escape, _notes(estimate)))}</p>"
        + (f"<p>Warnings:</p>{_list(estimate.warnings)}" if estimate.warnings else "")
        + f"<p><small>{escape(_how(estimate))}</small></p></div>"
    )


def as_page(estimate: RankEstimate) -> str:
    """Return the report as one self-contained web page."""
    from autoten import plots

    panels = [_picture(said, partial(getattr(plots, name), estimate.table, estimate.choice)) for name, said in PANELS]
    meanings = {heading: meaning for name, heading, _, meaning in COLUMNS if name in estimate.table}
    legend = _folded("What the columns mean", _definitions({"*": "the rank taken", **meanings}))
    others = "".join(
        _folded(f"Scores by {name}, whose rank is {one.rank}", f"<p>{escape(one.reason)}</p>{_scrolled(_table(one))}")
        for name, one in estimate.by_solver.items()
        if one.settings.get("solver") != estimate.settings.get("solver")
    )
    sections = {
        "Warnings": _list(estimate.warnings),
        f"Components of rank {estimate.rank}": _components(estimate, estimate.rank),
        "Where components shine": _shining(estimate.model),
        "Pictures": _side_by_side(panels),
        "Scores": f"{_scrolled(_table(estimate))}\n{legend}{others}",
        "Components of other ranks": "".join(
            _folded(f"Rank {rank}", _components(estimate, rank)) for rank in _neighbours(estimate)
        ),
        "How it was made": _definitions(_facts(estimate)),
        "To do it again": f"<pre>{escape(program(estimate))}</pre>",
    }
    body = [
        *(f"<p>{escape(said)}</p>" for said in (estimate.reason, *_notes(estimate))),
        *(f"<h2>{title}</h2>\n{inside}" for title, inside in sections.items() if inside),
    ]
    template = resources.files("autoten").joinpath("data/page.html").read_text(encoding="utf-8")
    return Template(template).substitute(title=headline(estimate), body="\n".join(body))


def write_page(estimate: RankEstimate, path: str | Path) -> None:
    """Write the web page of an estimate to `path` (UTF-8)."""
    to_be_written(path, "to_html").write_text(as_page(estimate), encoding="utf-8")


def headline(estimate: RankEstimate) -> str:
    """Return the answer in a line."""
    estimated = estimate.choice.in_place_of or estimate.choice
    said = f"Estimated rank: {estimated.rank or '0 (no component that can be told from noise)'}"
    return said if estimated is estimate.choice else f"Rank taken: {estimate.rank}. {said}"


def program(estimate: RankEstimate) -> str:
    """Return a program that makes the estimate again, of the same X."""
    settings, solvers = estimate.settings, [each.settings.get("solver") for each in estimate.by_solver.values()]
    names = ("solver", "holdout", "policy", "n_starts", "n_folds", "n_splits", "parts")
    arguments = {name: str(settings[name]) for name in names if name in settings}
    if solvers:
        arguments["solver"] = f"({', '.join(map(str, solvers))})"
    homes: dict[str, set[str]] = {"autoten": {"estimate_rank"}}
    own = {name: value for name, value in arguments.items() if not _imported(value, homes)}
    steps = settings.get("preprocessing") or ["none stated"]
    said = [
        f"X: the data, {_lengths(estimate, ' × ')}",
        *(f"preprocessing of X, to be done before: {step}" for step in steps),
        *(f"{name} was {value}, of your own: give it here" for name, value in own.items()),
    ]
    inside = ["X", str(estimate.table.ranks[1:].tolist())]
    inside += [f"{name}={value}" for name, value in arguments.items() if name not in own]
    return "\n".join(
        [
            *(f"from {home} import {', '.join(sorted(imported))}" for home, imported in homes.items()),
            "",
            *(f"# {' '.join(line.split())}" for line in said),
            "estimate = estimate_rank(",
            *(f"    {argument}," for argument in [*inside, f"random_state={settings.get('seed')}"]),
            ")" if estimate.choice.in_place_of is None else f").at({estimate.rank})",
        ]
    )


def _imported(expression: str, homes: dict[str, set[str]]) -> bool:
    """Tell whether an expression can be written with public names only, and add them to those of their modules."""
    try:
        names = {node.id for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Name)}
    except SyntaxError:  # the repr of what has none of its own
        return False
    public = dict.fromkeys(vars(import_module("autoten.selection")), "autoten.selection")
    public |= dict.fromkeys(import_module("autoten").__all__, "autoten")
    if not names <= public.keys():
        return False
    for name in names:
        homes.setdefault(public[name], set()).add(name)
    return True


def _cells(estimate: RankEstimate) -> list[tuple[str, ...]]:
    """Return the printed table: a header, then a row for every rank, the chosen one starred."""
    table = estimate.table
    columns = [["rank", *(f"{'* ' if rank == estimate.rank else ''}{rank}" for rank in table.ranks)]]
    for name, heading, style, _ in COLUMNS:
        if name in table:
            columns.append([heading, *(_formatted(value, style) for value in table.mean(name))])
    return list(zip(*columns, strict=True))


def _formatted(value: float, style: str) -> str:
    """Return a score in a cell of the table."""
    if math.isnan(value):
        return "-"
    if style == "fit":
        return f"{100 * value:.4g}" if value < 0.99 else f"{100 * value:.6g}"
    if style == "times":
        return f"{math.exp(value):.2g}" if value < math.log(99.5) else f"{math.exp(value):.0f}"
    if style == "points":
        return f"< {LOWEST_CONSISTENCY:.0f}" if value < LOWEST_CONSISTENCY else f"{value:z.1f}"
    return f"{value:z.4g}"


def _notes(estimate: RankEstimate) -> list[str]:
    """Return how firm the answer is and what else is worth a look, a sentence each."""
    what = "Support of the folds" if estimate.choice.probabilities is None else "Probability"
    if not estimate.table.complete:
        what += f" (of ranks 0 to {estimate.table.ranks[-1]} alone, since the run ended early)"
    shares = sorted(estimate.probabilities.items(), key=lambda item: -item[1])
    support = ", ".join(f"rank {rank} {100 * share:.0f} %" for rank, share in shares if share >= 0.01)
    others = [f"Alternative: rank {rank}, {reason.rstrip('.')}." for rank, reason in estimate.alternatives]
    return [f"{what}: {support}.", *others]


def _how(estimate: RankEstimate) -> str:
    """Return one line from which the estimate can be made again."""
    settings = estimate.settings
    parts = f"{len(settings['ranks of parts'])} parts by {settings['parts']}; " if "parts" in settings else ""
    return (
        f"{_lengths(estimate, ' x ', ' tensor')}, {settings.get('observed', '?')} observed cells; {parts}"
        f"preprocessing: {', '.join(settings.get('preprocessing') or ['none stated'])}; "
        f"{settings.get('solver')}, {settings.get('holdout')}, policy {settings.get('policy')}, "
        f"{settings.get('n_starts')} starts, {settings.get('n_folds')} folds, {settings.get('n_splits')} splits, "
        f"seed {settings.get('seed')}; {estimate.timings.get('total', math.nan):.1f} s."
    )


def _facts(estimate: RankEstimate) -> dict[str, Any]:
    """Return how the estimate was made, line by line."""
    settings = dict(estimate.settings)
    settings.pop("shape", None)
    versions = settings.pop("versions", {})
    return {
        "tensor": _lengths(estimate, " × "),
        "observed cells": settings.pop("observed", "?"),
        "preprocessing": ", ".join(settings.pop("preprocessing", ())) or "none stated",
        **{name.replace("n_", "number of "): value for name, value in settings.items()},
        "seconds": ", ".join(f"{part} {seconds:.1f}" for part, seconds in estimate.timings.items()),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()) or "not recorded",
    }


def _lengths(estimate: RankEstimate, times: str, what: str = "") -> str:
    """Return the lengths of the modes, and in brackets their names where there are any."""
    lengths = f"{times.join(map(str, estimate.table.shape))}{what}"
    return lengths if estimate.labels is None else f"{lengths} ({times.join(estimate.labels.names)})"


def _table(estimate: RankEstimate) -> str:
    """Return the table as HTML, the chosen rank in bold."""
    return _grid(_cells(estimate), estimate.table.ranks.tolist().index(estimate.rank))


def _grid(cells: Sequence[Sequence[str]], bold: int | None = None) -> str:
    """Return a header and rows below it as a table in HTML, one row in bold."""
    header, *rows = cells
    body = ""
    for n, row in enumerate(rows):
        written = "".join(f"<td style='text-align:right'>{escape(cell)}</td>" for cell in row)
        body += f"<tr style='font-weight:{'bold' if n == bold else 'normal'}'>{written}</tr>"
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _scrolled(table: str) -> str:
    """Return a table as HTML that scrolls on a narrow screen."""
    return f'<p class="hint">{MORE}</p>\n<div class="scroll">{table}</div>'


def _list(texts: Sequence[str]) -> str:
    """Return texts as a list in HTML, no texts as nothing."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>" if texts else ""


def _definitions(said: Mapping[str, Any]) -> str:
    """Return terms and what is said of each as a list in HTML."""
    rows = "".join(f"<dt>{escape(term)}</dt><dd>{escape(str(what))}</dd>" for term, what in said.items())
    return f"<dl>{rows}</dl>"


def _folded(title: str, inside: str) -> str:
    """Return what is shown when its title is clicked; nothing as nothing."""
    return f"<details><summary>{escape(title)}</summary>\n{inside}</details>\n" if inside else ""


def _neighbours(estimate: RankEstimate) -> list[int]:
    """Return the ranks before and after the one taken, its alternatives, and the one in whose place it was."""
    ranks = estimate.table.ranks.tolist()
    row = ranks.index(estimate.rank)
    beside = {*ranks[max(row - 1, 0) : row + 2], (estimate.choice.in_place_of or estimate.choice).rank}
    beside |= {other.rank for other in estimate.alternatives}
    return sorted(beside - {0, estimate.rank})


def _components(estimate: RankEstimate, rank: int) -> str:
    """Return pictures of the components of a rank, a mode each; of none or too many nothing."""
    from autoten.plots.components import least_height, plot_mode

    model = estimate.models[rank]
    if not 0 < model.rank <= LARGEST_DRAWN:
        return ""
    captions = [f"Components in {name}, columns of unit length" for name in model.named.names]
    figures = [
        _picture(caption, partial(plot_mode, model, mode), least_height(model, mode))
        for mode, caption in enumerate(captions)
    ]
    return _side_by_side(figures)


def _shining(model: CPModel) -> str:
    """Return where the components of fluorescence are brightest, and how bright in each sample; else nothing."""
    places = wavelength_modes(model.labels)
    if places is None or model.ndim != 3 or not 0 < model.rank <= LARGEST_DRAWN:
        return ""
    (samples,), named = {0, 1, 2} - set(places), model.named
    components = [str(r + 1) for r in range(model.rank)]
    rows = [["component", *components]]
    for place in reversed(places):
        wavelengths = np.asarray(named.indices[place])[np.abs(model.factors[place]).argmax(axis=0)]
        rows.append([f"{named.names[place]} max (nm)", *(f"{wavelength:g}" for wavelength in wavelengths.tolist())])
    fmax = [[named.names[samples], *(f"component {r}" for r in components)]]
    for sample, row in enumerate(brightest(model, places).tolist()):
        fmax.append([named.index(samples, sample), *(f"{value:.4g}" for value in row)])
    what = "Fmax: how bright each component is at its brightest in each sample, in the units of the data"
    return f"{_grid(list(zip(*rows, strict=True)))}\n{_folded(what, _scrolled(_grid(fmax)))}"


def _side_by_side(figures: Sequence[str]) -> str:
    """Return pictures beside one another, as many as the screen is wide."""
    return f'<div class="pictures">{"".join(figures)}</div>'


def _picture(caption: str, draw: Callable[..., Any], least_height: float = 0.0) -> str:
    """Return what a function draws, above its caption, as a picture in HTML."""
    from autoten.plots import as_png

    width, height = PICTURE_SIZE
    source = f"data:image/png;base64,{b64encode(as_png(draw, (width, max(height, least_height)))).decode()}"
    said = escape(caption)
    return f'<figure><img alt="{said}" src="{source}"><figcaption>{said}</figcaption></figure>'


def _finite(value: Any) -> Any:
    """Return `value` with everything that JSON cannot say (NaN, infinity) as None."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
