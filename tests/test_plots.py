"""Pictures of a table: what is on each panel, and that it can be read."""

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWN, CARETUP
from pictures import assert_readable, drawn, entries

from autoten import Choice, RankTable, plots
from autoten.plots.overview import _accuracy

NAN = np.nan
SHAPE = (20, 30, 40)
PANELS = {name: getattr(plots, f"plot_{name}") for name in ("fit", "core_consistency", "heldout", "front", "leftover")}
of_every_panel = pytest.mark.parametrize("plot", [*PANELS.values(), plots.plot_stability])


def test_no_picture_is_shown():
    assert not any(".show(" in path.read_text(encoding="utf-8") for path in Path(plots.__file__).parent.glob("*.py"))


def make_table(heldout, consistency, shape=SHAPE, corrected=None, ceiling=100.0, complete=True):
    """Return a table with ranks 0, 1, ...: scores around the given curves, 10 starts and 5 folds."""
    rng = np.random.default_rng(0)
    heldout, consistency = np.array(heldout, dtype=float)[:, None], np.array(consistency, dtype=float)[:, None]
    ranks = np.arange(len(heldout))
    folds = heldout * np.exp(rng.normal(0, 0.05, 5) + rng.normal(0, 0.01, (ranks.size, 5)))
    folds[0] = 1.0
    left = np.log(1 + heldout - np.nanmin(heldout))
    scores = {
        "fit": 1 - heldout * 0.9,
        "loss_starts": np.minimum(1, heldout * 0.9 * np.exp(np.abs(rng.normal(0, 0.1, (ranks.size, 10))))),
        "core_consistency": consistency,
        "core_consistency_starts": consistency - np.abs(rng.normal(0, 10, (ranks.size, 10))),
        "ceiling": np.where(ranks > 0, ceiling, NAN)[:, None],
        "corrected_core_consistency": consistency if corrected is None else np.array(corrected)[:, None],
        "heldout": folds,
        "residual_excess": left + rng.normal(0, 0.05, (ranks.size, 4)),
        "weakest_excess": np.where(ranks[:, None] > 0, 2 * left + 0.3, NAN),
        "stability_folds": np.where(ranks[:, None] > 0, np.exp(-folds), NAN),
    }
    return RankTable(ranks, scores, shape, complete)


# Three real components; core consistency collapses after them, and surplus ones gain a little at high SNR.
COLLAPSE = [1, 0.36, 0.13, 0.0007, 0.00069, 0.00067, 0.0006], [NAN, 100, 100, 99.8, -2e7, -1e8, -3e9], (5, 201, 61)
AMINO = make_table(*COLLAPSE, ceiling=[100] * 6 + [83.3])
INTERRUPTED = make_table(*COLLAPSE, complete=False)
NOISE = make_table(1 + 0.012 * np.arange(9), [NAN, 100, 100, 60, 20, -80, -900, -2e4, -1e5])
# High SNR and good core consistency throughout: nine ranks at one corner of the front.
CLUSTERED = make_table(
    [1, 0.5, 0.1, 0.01, *(6e-4 - 1e-5 * np.arange(9))], [NAN, 100, 100, *(100 - 0.1 * np.arange(10))]
)
TWENTY = make_table(
    np.exp(-0.35 * np.minimum(np.arange(21), 12)),
    [NAN, *(100 - 0.3 * np.arange(12)), *(100 - 15 * 1.8 ** np.arange(1, 9))],
)
EXACT = make_table([1, 0.3, 0.05, 1e-14, 1e-15, 3e-16, 0], [NAN, 100, 100, 100, -1e9, 20, -1e12], (9, 8, 7, 6))
GAPS = make_table([1, NAN, 0.3, NAN, 0.2], [NAN, 100, NAN, NAN, 40], corrected=[NAN, 100, NAN, 90, NAN])
FIT_ALONE = RankTable([0, 2], {"fit": [[0.0], [0.5]]}, (4, 5, 6))

OVERVIEWS = {
    "amino acids": (AMINO, 3, "default"),
    "interrupted": (INTERRUPTED, 3, "default"),
    "noise": (NOISE, 0, "dark_background"),
    "clustered": (CLUSTERED, 5, "default"),
    "twenty": (TWENTY, 12, "default"),
    "exact": (EXACT, 3, "default"),
    "gaps": (GAPS, 2, "seaborn-v0_8"),
    "one candidate": (AMINO.restricted([3]), 3, "default"),
    "rank 0 alone": (AMINO.restricted([]), 0, "ggplot"),
    "fit alone": (FIT_ALONE, 2, "default"),
    "classic": (AMINO, 3, "classic"),
}


def carets(ax, marker):
    """Return the x values of the full-coloured triangles at an edge."""
    found = [line.get_xdata() for line in ax.lines if line.get_marker() == marker and line.get_alpha() is None]
    return sorted(float(x) for xs in found for x in xs)


def ticks(axis):
    """Return what is written at the ticks in view."""
    axis.axes.figure.draw_without_rendering()
    low, high = sorted(axis.get_view_interval())
    places = axis.get_majorticklocs()
    return [
        text.get_text() for place, text in zip(places, axis.get_majorticklabels(), strict=True) if low < place < high
    ]


@pytest.mark.parametrize(("table", "rank", "style"), OVERVIEWS.values(), ids=OVERVIEWS)
def test_an_overview_is_readable(table, rank, style):
    with plt.style.context(style):
        panels = plots.plot_overview(table, Choice(rank))
        assert list(panels) == [name for name in PANELS if name != "leftover" or "residual_excess" in table]
        title = panels["fit"].figure.get_suptitle()
        assert title.startswith(f"Rank {rank} chosen for the {table.shape[0]} × ")
        assert ("interrupted" in title) is not table.complete
        assert_readable(panels["fit"].figure)


def test_an_overview_draws_in_a_given_figure_or_subfigure():
    figure = plt.figure(figsize=(14, 6), layout="constrained")
    for part in figure.subfigures(1, 2):
        panels = plots.plot_overview(AMINO, figure=part)
        assert all(ax.figure is part for ax in panels.values())
        assert part.get_suptitle() == "5 × 201 × 61 tensor"
    assert len(plt.get_fignums()) == 1
    assert_readable(figure)


def test_pictures_are_saved_in_every_format_and_a_png_is_drawn_without_pyplot(tmp_path):
    assert plots.as_png(lambda ax: ax.plot([1, 2]), (2, 1)).startswith(b"\x89PNG")
    assert not plt.get_fignums()
    for name in ("overview.pdf", "overview.svg"):
        plots.plot_overview(FIT_ALONE, Choice(2))["fit"].figure.savefig(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 0


@of_every_panel
def test_a_panel_marks_the_chosen_rank_and_tells_its_curves_apart_without_colour(plot):
    _, ax = plt.subplots()
    assert plot(TWENTY, Choice(12), ax) is ax
    ring = drawn(ax, "chosen: 12")
    vertical = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in vertical] == [ring.get_xdata()[0]] * len(vertical) != []
    handles = [line for line in ax.get_legend().legend_handles if isinstance(line, Line2D)]
    looks = {(line.get_marker(), line.get_linestyle(), line.get_markersize()) for line in handles}
    assert len(looks) == len(handles)
    unmarked = plot(TWENTY)
    assert unmarked.figure is not ax.figure
    assert not any("chosen" in entry for entry in entries(unmarked.get_legend()))


@of_every_panel
def test_what_the_table_lacks_is_said(plot):
    ax = plot(RankTable([0, 1], {"noise_loss": [[1.0], [1.0]]}, (4, 5, 6)), Choice(1))
    (note,) = ax.texts
    assert note.get_text().startswith("no ")
    assert ax.get_legend() is None


def test_colours_and_sizes_are_the_users():
    with mpl.rc_context({"text.color": "purple", "font.size": 12}):
        ax = plots.plot_fit(AMINO, Choice(3))
    assert drawn(ax, "best").get_color() == "C0"
    assert to_rgba(drawn(ax, "chosen: 3").get_color()) == to_rgba("purple")
    assert ax.xaxis.label.get_fontsize() == 12
    assert ax.get_legend().get_texts()[0].get_fontsize() == pytest.approx(9.6)


def test_the_fit_is_that_of_the_best_start_among_all():
    ax = plots.plot_fit(AMINO, Choice(3))
    np.testing.assert_allclose(drawn(ax, "best").get_ydata()[:3], [10.0, 67.6, 88.3])
    np.testing.assert_allclose(drawn(ax, "starts").get_ydata(), 100 - 100 * AMINO["loss_starts"].ravel())
    assert np.ptp(drawn(ax, "starts").get_xdata()[:10]) < 1  # beside one another, around their rank


def test_low_core_consistency_becomes_triangles_at_the_edge():
    ax = plots.plot_core_consistency(AMINO, Choice(3))
    assert carets(ax, CARETDOWN) == [4, 4, 5, 5, 6, 6]  # raw and corrected
    for label in ("raw", "corrected"):
        np.testing.assert_allclose(drawn(ax, label).get_ydata()[:4], [NAN, 100, 100, 99.8])
        # No line runs along the edge: what leads to these ranks is out of sight, but not far.
        np.testing.assert_allclose(drawn(ax, label).get_ydata()[4:], ax.get_ylim()[0] - 0.1 * np.ptp(ax.get_ylim()))
    assert drawn(ax, "ceiling").get_ydata()[6] == 83.3
    assert "below −20" in entries(ax.get_legend())


@pytest.mark.parametrize(
    ("shape", "constrained", "middle"), [((4, 5, 6), False, 1.5), ((4, 5, 6, 7), False, 1), ((4, 5, 6), True, 1)]
)
def test_core_consistency_says_where_it_carries_no_information(shape, constrained, middle):
    table = replace(make_table([1, 0.5, 0.4, 0.3], [NAN, 100, 99, 98], shape), constrained=constrained)
    (note,) = plots.plot_core_consistency(table).texts
    assert (note.get_text(), note.get_position()[0]) == ("no information", middle)
    assert not plots.plot_core_consistency(table.restricted([3])).texts


def bars(ax):
    """Return the half-lengths of the error bars, NaN where there is none."""
    ((_, _, (segments,)),) = ax.containers
    ends = [path.vertices[:, 1] if len(path.vertices) else [NAN, NAN] for path in segments.get_paths()]
    return np.ptp(ends, axis=1) / 2


def test_bars_are_paired_with_the_smallest_mean():
    shared = np.array([0.9, 1.0, 1.1, 1.2, 0.8])  # folds differ much, ranks hardly
    folds = np.stack([np.ones(5), 0.50 * shared, 0.40 * shared, 0.41 * shared + [0.001, -0.001, 0.002, 0, 0]])
    table = RankTable([0, 1, 2, 3], {"heldout": folds}, (5, 6, 7))
    ax = plots.plot_heldout(table)
    assert "paired s.e. vs rank 2" in entries(ax.get_legend())
    np.testing.assert_allclose(bars(ax), [table.difference(rank, 2).error for rank in range(4)], atol=1e-12)
    assert bars(ax)[3] < 0.1 * table.standard_error("heldout")[3]
    folds[1, 3] = np.inf  # no bar, and no warning
    ax = plots.plot_heldout(RankTable([0, 1, 2, 3], {"heldout": folds}, (5, 6, 7)))
    assert np.isnan(bars(ax)).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("errors", "scale", "low", "high"),
    [
        ([1.0, 0.11], "linear", 0.04, 1.06),  # until they spread tenfold
        ([1.0, 0.01], "log", 0.005, 1.4),
        ([1.0, 0.9, 1e9, np.inf, NAN], "linear", 0.8, 2.1),
        ([1.0, 0.0], "log", 1e-13, 6.0),
    ],
)
def test_the_axis_of_errors_is_not_stretched_by_exploded_exact_or_missing_ones(errors, scale, low, high):
    ax = plots.plot_heldout(RankTable(np.arange(len(errors)), {"heldout": np.array(errors)[:, None]}, (5, 6, 7)))
    assert ax.get_yscale() == scale
    bottom, top = ax.get_ylim()
    assert low < bottom < max(1e-12, np.nanmin(errors))
    assert 1.0 < top < high


def test_one_exploded_fold_is_a_triangle_and_stretches_no_axis():
    folds = np.where((NOISE.ranks == 5)[:, None] & (np.arange(5) == 2), 40.0, NOISE["heldout"])
    ax = plots.plot_heldout(RankTable(NOISE.ranks, {"heldout": folds}, SHAPE))
    assert ax.get_ylim()[1] < 1.5
    assert sum(line.get_marker() == CARETUP for line in ax.lines) == 1


@pytest.mark.parametrize("table", [AMINO, CLUSTERED, TWENTY, NOISE])
def test_the_front_writes_every_rank_beside_its_point(table):
    ax = plots.plot_front(table, Choice(3))
    texts = [text for text in ax.texts if text.get_text()]  # the others are lines to those that are far off
    assert [int(text.get_text()) for text in texts] == table.ranks.tolist()
    np.testing.assert_allclose([text.xy[0] for text in texts], table.mean("heldout"))
    assert ax.get_xlim()[0] > ax.get_xlim()[1]  # errors backwards: accuracy grows to the right


def test_the_front_is_that_of_the_policies():
    ax = plots.plot_front(AMINO)
    # 2 beats 0 and 1, which are no worse trilinear; 6 predicts best; 4 and 5 have no more core consistency than 6.
    np.testing.assert_allclose(drawn(ax, "Pareto front").get_xdata(), AMINO.mean("heldout")[[6, 3, 2]])
    np.testing.assert_allclose(drawn(ax, "Pareto front").get_ydata(), [0, 99.8, 100])
    np.testing.assert_allclose(drawn(ax, "dominated").get_ydata(), [100, 100, 0, 0])
    ax = plots.plot_front(replace(make_table([1, 0.5, 0.4, 0.1], [NAN, 100, 40, 90]), constrained=True))
    np.testing.assert_allclose(drawn(ax, "Pareto front").get_ydata(), [90, 100])
    np.testing.assert_allclose(drawn(ax, "dominated").get_ydata(), [100, 40])


@pytest.mark.parametrize(
    ("table", "expected"), [(AMINO, ["0.999", "0.99", "0.9", "0"]), (EXACT, ["1−1e-10", "1−1e-5", "0"])]
)
def test_the_front_is_labelled_with_accuracies(table, expected):
    assert ticks(plots.plot_front(table).xaxis) == expected


@pytest.mark.parametrize(
    ("error", "text"), [(0.0, "1"), (0.25, "0.75"), (1.5, "−0.5"), (-0.5, "1.5"), (2e-6, "1−2e-6")]
)
def test_an_accuracy_is_written_by_what_is_missing_only_where_something_is(error, text):
    assert _accuracy(error) == text


def test_stability_shows_folds_starts_halves_and_the_choice():
    scores = {
        "stability_folds": [[NAN] * 3, [1, 0.9, 0.95], [0.5, 0.2, 0.9]],
        "stability_starts": [[NAN], [1.0], [0.7]],
        "stability_halves": [[NAN] * 2, [1.0, 0.9], [0.4, 0.2]],
    }
    ax = plots.plot_stability(RankTable([0, 1, 2], scores, (5, 6, 7)), Choice(1))
    assert entries(ax.get_legend()) == ["folds", "mean of folds", "other starts", "halves", "chosen: 1"]
    np.testing.assert_allclose(drawn(ax, "mean of folds").get_ydata()[1:], [0.95, 1.6 / 3])
    np.testing.assert_allclose(drawn(ax, "halves").get_ydata()[1:], [0.95, 0.3])
    assert ax.get_ylim()[0] < 0 < 1 < ax.get_ylim()[1]
    assert_readable(ax.figure)


def left_over(left, weakest):
    scores = {"residual_excess": np.log(left)[:, None], "weakest_excess": np.log(weakest)[:, None]}
    return RankTable(np.arange(len(left)), scores, (5, 6, 7))


def test_what_is_left_stands_beside_noise_and_the_weakest_component():
    ax = plots.plot_leftover(left_over([8.0, 4.0, 0.9, 1.0], [NAN, 9.0, 6.0, 1.2]), Choice(2))
    np.testing.assert_allclose(drawn(ax, "strongest left").get_ydata(), [8, 4, 0.9, 1])
    np.testing.assert_allclose(drawn(ax, "weakest of the model").get_ydata(), [NAN, 9, 6, 1.2])
    assert [1, 1] in [list(line.get_ydata()) for line in ax.lines]  # noise
    assert ticks(ax.yaxis) == ["1", "2", "5", "10"]
    copies = drawn(plots.plot_leftover(AMINO), "copies").get_ydata()
    np.testing.assert_allclose(copies, np.exp(AMINO["residual_excess"]).ravel())
    # Components far above or below noise do not flatten what is left.
    ax = plots.plot_leftover(left_over([5.0, 2.0, 1.0, 1.0], [NAN, 1e9, 20.0, 1e-12]))
    assert ax.get_ylim()[1] / ax.get_ylim()[0] < 50
    assert (carets(ax, CARETUP), carets(ax, CARETDOWN)) == ([1], [3])
