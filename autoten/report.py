"""An estimate in words: plain text, HTML for notebooks, plain values for JSON."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from autoten.answer import RankEstimate

# Columns of the printed table: score, heading, format.
COLUMNS = (
    ("fit", "fit %", "fit"),
    ("core_consistency", "core cons.", "points"),
    ("corrected_core_consistency", "corrected", "points"),
    ("ceiling", "ceiling", "points"),
    ("heldout", "held-out", "share"),
    ("stability_folds", "stability", "share"),
    ("stability_halves", "halves", "share"),
    ("residual_excess", "left", "times"),  # what the strongest component left explains, in times that of noise
)

# A core consistency below this says no more than that.
LOWEST_POINTS = -1000.0


def as_text(estimate: RankEstimate) -> str:
    """Return the report as plain text."""
    lines = [headline(estimate), estimate.reason, ""]
    lines += _aligned(_cells(estimate))
    lines += ["", *notes(estimate)]
    if estimate.warnings:
        lines += ["", "Warnings:", *(f"- {warning}" for warning in estimate.warnings)]
    return "\n".join([*lines, "", how(estimate)])


def as_html(estimate: RankEstimate) -> str:
    """Return the report as a fragment of HTML."""
    warnings = "".join(f"<li>{html.escape(warning)}</li>" for warning in estimate.warnings)
    return (
        f"<div><p><b>{html.escape(headline(estimate))}</b><br>{html.escape(estimate.reason)}</p>"
        f"{table_as_html(estimate)}"
        f"<p>{'<br>'.join(html.escape(note) for note in notes(estimate))}</p>"
        + (f"<p>Warnings:</p><ul>{warnings}</ul>" if warnings else "")
        + f"<p><small>{html.escape(how(estimate))}</small></p></div>"
    )


def table_as_html(estimate: RankEstimate) -> str:
    """Return the table of the report as HTML, the chosen rank in bold."""
    header, *rows = _cells(estimate)
    chosen = estimate.table.row(estimate.rank)
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        f"<tr style='font-weight:{'bold' if n == chosen else 'normal'}'>"
        + "".join(f"<td style='text-align:right'>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for n, row in enumerate(rows)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def as_plain(estimate: RankEstimate) -> Any:
    """Return the estimate as plain values; what is not finite becomes None."""
    others = {name: as_plain(each) for name, each in estimate.by_solver.items()}
    return _finite(
        {
            "rank": estimate.rank,
            "reason": estimate.reason,
            "alternatives": [list(alternative) for alternative in estimate.alternatives],
            "probabilities": {str(rank): share for rank, share in estimate.probabilities.items()},
            "table": estimate.table.to_dict(),
            "complete": estimate.table.complete,
            "warnings": list(estimate.warnings),
            "timings": dict(estimate.timings),
            "settings": dict(estimate.settings),
        }
        | ({"by_solver": others} if others else {})
    )


def headline(estimate: RankEstimate) -> str:
    """Return the answer in a line."""
    rank = estimate.rank
    if rank == 0:
        return "Estimated rank: 0 (no component that can be told from noise)"
    return f"Estimated rank: {rank}"


def _cells(estimate: RankEstimate) -> list[list[str]]:
    """Return the printed table: a header, then a row for every rank, the chosen one starred."""
    table = estimate.table
    columns = [(name, heading, style) for name, heading, style in COLUMNS if name in table]
    rows = [["rank", *(heading for _, heading, _ in columns)]]
    values = {name: table.mean(name) for name, _, _ in columns}
    for row, rank in enumerate(table.ranks):
        mark = "* " if rank == estimate.rank else ""
        rows.append([f"{mark}{rank}", *(_formatted(values[name][row], style) for name, _, style in columns)])
    return rows


def _formatted(value: float, style: str) -> str:
    if math.isnan(value):
        return "-"
    if style == "fit":
        return f"{100 * value:.4g}" if value < 0.99 else f"{100 * value:.6g}"
    if style == "times":
        return f"{math.exp(value):.2g}" if value < math.log(99.5) else f"{math.exp(value):.0f}"
    if style == "points":
        return f"< {LOWEST_POINTS:.0f}" if value < LOWEST_POINTS else f"{value:.1f}"
    return f"{value:.4g}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def notes(estimate: RankEstimate) -> list[str]:
    """Return what supports the answer and what else is worth a look, a sentence each."""
    others = [f"Alternative: rank {rank}, {reason.rstrip('.')}." for rank, reason in estimate.alternatives]
    return [f"{_support(estimate)}.", *others]


def _support(estimate: RankEstimate) -> str:
    """Return the policy's probabilities, or how often it picks each rank when the folds are drawn again."""
    what = "Support of the folds" if estimate.choice.probabilities is None else "Probability"
    shares = sorted(estimate.probabilities.items(), key=lambda item: -item[1])
    return f"{what}: {', '.join(f'rank {rank} {100 * share:.0f} %' for rank, share in shares if share >= 0.01)}"


def how(estimate: RankEstimate) -> str:
    """Return one line from which the estimate can be made again."""
    settings = estimate.settings
    shape = " x ".join(str(length) for length in settings.get("shape", estimate.table.shape))
    modes = "" if estimate.labels is None else f" ({' x '.join(estimate.labels.names)})"
    done = settings.get("preprocessing") or ["none stated"]
    return (
        f"{shape} tensor{modes}, {settings.get('observed', '?')} observed cells; preprocessing: {', '.join(done)}; "
        f"{settings.get('solver')}, {settings.get('holdout')}, policy {settings.get('policy')}, "
        f"{settings.get('n_starts')} starts, {settings.get('n_folds')} folds, {settings.get('n_splits')} splits, "
        f"seed {settings.get('seed')}; {estimate.timings.get('total', math.nan):.1f} s."
    )


def _finite(value: Any) -> Any:
    """Return `value` with everything that JSON cannot say (NaN, infinity) as None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
