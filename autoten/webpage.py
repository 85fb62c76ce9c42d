"""The report of an estimate as one self-contained web page: nothing is fetched, nothing is run."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoten import plots, report

if TYPE_CHECKING:
    from autoten.answer import RankEstimate

# Inches: on a narrow screen one picture fills a row, and its texts keep about the size they have in print.
PICTURE_SIZE = (3.7, 2.9)

# Components are drawn up to this rank; beyond it no picture of them can be read.
LARGEST_DRAWN = 30

PANELS = {
    "Fit: the explained share of the sum of squares against rank": plots.plot_fit,
    "Core consistency against rank: raw, corrected, and the ceiling": plots.plot_core_consistency,
    "Held-out error, relative to predicting zero, against rank": plots.plot_heldout,
    "Pareto front: core consistency against accuracy, a point for each rank": plots.plot_front,
    "What is left, beside noise, and the weakest component of the model, against rank": plots.plot_leftover,
}

STYLE = """
body { margin: 0 auto; max-width: 60rem; padding: 1rem; color: #222; background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { margin: .5rem 0; line-height: 1.2; }
h2 { margin: 2rem 0 .5rem; font-size: 1.2rem; border-bottom: 1px solid #ccc; }
p { max-width: 45rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
figure { margin: 0; }
img { width: 100%; height: auto; }
figcaption { font-size: .85rem; color: #555; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #ddd; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { color: #555; }
dd { margin: 0; overflow-wrap: anywhere; }
pre { padding: .7rem; background: #f4f4f4; white-space: pre-wrap; overflow-wrap: anywhere; }
"""


def write(estimate: RankEstimate, path: str | Path) -> None:
    """Write the page of an estimate to `path` (UTF-8)."""
    Path(path).write_text(page(estimate), encoding="utf-8")


def page(estimate: RankEstimate) -> str:
    """Return the page of an estimate: answer, pictures, table, components, warnings, settings, versions."""
    title = html.escape(report.headline(estimate))
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            f"<h1>{title}</h1>\n<p>{html.escape(estimate.reason)}</p>",
            *(f"<p>{html.escape(note)}</p>" for note in report.notes(estimate)),
            *_section("Pictures", _pictures(_panels(estimate))),
            *_section("Scores", [f'<div class="scroll">{report.table_as_html(estimate)}</div>']),
            *_section(f"Components of rank {estimate.rank}", _pictures(_components(estimate))),
            *_section(
                "Warnings", [f"<ul>{''.join(f'<li>{html.escape(text)}</li>' for text in estimate.warnings)}</ul>"]
            )
            * bool(estimate.warnings),
            *_section("How it was made", [_definitions(_settings(estimate))]),
            "<p>To do it again, with X the same data:</p>",
            f"<pre>{html.escape(call(estimate))}</pre>\n</body>\n</html>\n",
        ]
    )


def call(estimate: RankEstimate) -> str:
    """Return the call that makes the estimate again."""
    settings = estimate.settings
    names = ("solver", "holdout", "policy", "n_starts", "n_folds", "n_splits")
    arguments = {name: settings[name] for name in names if name in settings} | {"random_state": settings.get("seed")}
    written = ", ".join(f"{name}={value}" for name, value in arguments.items())
    return f"estimate_rank(X, {estimate.table.ranks[1:].tolist()}, {written})"


def _section(title: str, parts: Iterable[str]) -> list[str]:
    inside = list(parts)
    return [f"<h2>{html.escape(title)}</h2>", *inside] if inside else []


def _panels(estimate: RankEstimate) -> Iterator[tuple[str, bytes]]:
    for caption, plot in PANELS.items():
        yield caption, plots.as_png(partial(plot, estimate.table, estimate.choice), PICTURE_SIZE)


def _components(estimate: RankEstimate) -> Iterator[tuple[str, bytes]]:
    model = estimate.model
    if not 0 < model.rank <= LARGEST_DRAWN:
        return
    for mode in range(model.ndim):
        name = f"mode {mode}" if model.labels is None else model.labels.names[mode]
        picture = plots.as_png(partial(plots.plot_mode, model, mode), PICTURE_SIZE)
        yield f"Components in {name}, columns of unit length", picture


def _pictures(pictures: Iterable[tuple[str, bytes]]) -> list[str]:
    drawn = [
        f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{b64encode(picture).decode()}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for caption, picture in pictures
    ]
    return [f'<div class="pictures">{"".join(drawn)}</div>'] if drawn else []


def _settings(estimate: RankEstimate) -> dict[str, Any]:
    settings = dict(estimate.settings)
    shape = " × ".join(map(str, settings.pop("shape", estimate.table.shape)))
    modes = "" if estimate.labels is None else f" ({' × '.join(estimate.labels.names)})"
    versions = settings.pop("versions", {})
    return {
        "tensor": f"{shape}{modes}",
        "observed cells": settings.pop("observed", "?"),
        "preprocessing": ", ".join(settings.pop("preprocessing", ())) or "none stated",
        **{name.replace("n_", "number of "): value for name, value in settings.items()},
        "seconds": ", ".join(f"{part} {seconds:.1f}" for part, seconds in estimate.timings.items()),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()) or "not recorded",
    }


def _definitions(values: dict[str, Any]) -> str:
    entries = (f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>" for name, value in values.items())
    return f"<dl>{''.join(entries)}</dl>"
