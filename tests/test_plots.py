"""Pictures of a table: what is on each panel, and that it can be read."""

from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWN, CARETUP
from pictures import assert_readable, drawn, legend_texts

from autoten.plots import (
    as_png,
    plot_core_consistency,
    plot_fit,
    plot_front,
    plot_heldout,
    plot_leftover,
    plot_overview,
    plot_stability,
)
from autoten.plots.overview import _accuracy
from autoten.selection.choice import Choice
from autoten.table import RankTable

NAN = np.nan
PANELS = {
    "fit": plot_fit,
    "core_consistency": plot_core_consistency,
    "heldout": plot_heldout,
    "front": plot_front,
    "leftover": plot_leftover,
}
of_every_panel = pytest.mark.parametrize("plot", [*PANELS.values(), plot_stability])


@pytest.fixture(autouse=True)
def _nothing_is_shown(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("a plot called pyplot.show"))


def make_table(heldout, consistency, shape=(20, 30, 40), corrected=None, ceiling=100.0, complete=True):
    """Return a table with ranks 0, 1, ...: scores around the given curves, 10 starts and 5 folds."""
    rng = np.random.default_rng(0)
    heldout, consistency = np.asarray(heldout, dtype=float), np.asarray(consistency, dtype=float)
    corrected = consistency if corrected is None else np.asarray(corrected, dtype=float)
    ranks = np.arange(heldout.size)
    folds = heldout[:, None] * np.exp(rng.normal(0, 0.05, 5) + rng.normal(0, 0.01, (ranks.size, 5)))
    folds[0] = 1.0
    left = np.log(1 + heldout - np.nanmin(heldout))[:, None]
    scores = {
        "fit": 1 - heldout[:, None] * 0.9,
        "loss_starts": np.minimum(1, heldout[:, None] * 0.9 * np.exp(np.abs(rng.normal(0, 0.1, (ranks.size, 10))))),
        "core_consistency": consistency[:, None],
        "core_consistency_starts": consistency[:, None] - np.abs(rng.normal(0, 10, (ranks.size, 10))),
        "ceiling": np.where(ranks > 0, ceiling, NAN)[:, None],
        "corrected_core_consistency": corrected[:, None],
        "heldout": folds,
        "residual_excess": left + rng.normal(0, 0.05, (ranks.size, 4)),
        "weakest_excess": np.where(ranks[:, None] > 0, 2 * left + 0.3, NAN),
        "stability_folds": np.where(ranks[:, None] > 0, np.exp(-folds), NAN),
        "stability_starts": np.where(ranks > 0, 0.9, NAN)[:, None],
    }
    return RankTable(ranks, scores, shape, complete)


def amino_acids(**options):
    """Three real components; core consistency collapses after them, and surplus ones gain a little at high SNR."""
    heldout = [1, 0.36, 0.13, 0.0007, 0.00069, 0.00067, 0.0006]
    consistency = [NAN, 100, 100, 99.8, -2e7, -1e8, -3e9]
    return make_table(heldout, consistency, (5, 201, 61), ceiling=[100] * 6 + [83.3], **options)


def pure_noise():
    return make_table(1 + 0.012 * np.arange(9), [NAN, 100, 100, 60, 20, -80, -900, -2e4, -1e5])


def clustered():
    """High SNR and good core consistency throughout: nine ranks at one corner of the front."""
    return make_table([1, 0.5, 0.1, 0.01, *(6e-4 - 1e-5 * np.arange(9))], [NAN, 100, 100, *(100 - 0.1 * np.arange(10))])


def twenty_ranks():
    heldout = np.exp(-0.35 * np.minimum(np.arange(21), 12))
    return make_table(heldout, [NAN, *(100 - 0.3 * np.arange(12)), *(100 - 15 * 1.8 ** np.arange(1, 9))])


def exact():
    return make_table([1, 0.3, 0.05, 1e-14, 1e-15, 3e-16, 0], [NAN, 100, 100, 100, -1e9, 20, -1e12], (9, 8, 7, 6))


def full_of_gaps():
    return make_table([1, NAN, 0.3, NAN, 0.2], [NAN, 100, NAN, NAN, 40], corrected=[NAN, 100, NAN, 90, NAN])


TABLES = {
    "amino acids": (amino_acids(), 3),
    "interrupted": (amino_acids(complete=False), 3),
    "noise": (pure_noise(), 0),
    "clustered": (clustered(), 5),
    "twenty": (twenty_ranks(), 12),
    "exact": (exact(), 3),
    "gaps": (full_of_gaps(), 2),
    "one candidate": (amino_acids().restricted([3]), 3),
    "rank 0 alone": (amino_acids().restricted([]), 0),
    "fit alone": (RankTable([0, 2], {"fit": [[0.0], [0.5]]}, (4, 5, 6)), 2),
}


def carets(ax, marker):
    """Return the x values of the full-coloured triangles at an edge."""
    found = [line.get_xdata() for line in ax.lines if line.get_marker() == marker and line.get_alpha() is None]
    return sorted(float(x) for xs in found for x in xs)


def written(axis):
    """Return the ticks in view."""
    axis.axes.figure.draw_without_rendering()
    low, high = sorted(axis.get_view_interval())
    ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
    return [label.get_text() for place, label in ticks if low < place < high]


# All panels


@pytest.mark.parametrize(("table", "rank"), TABLES.values(), ids=TABLES)
def test_an_overview_is_readable(table, rank):
    panels = plot_overview(table, Choice(rank))
    assert list(panels) == [name for name in PANELS if name != "leftover" or "residual_excess" in table]
    assert_readable(panels["fit"].figure)


def test_the_title_says_what_was_chosen_and_what_was_interrupted():
    def title(*arguments):
        return plot_overview(*arguments)["fit"].figure.get_suptitle()

    assert title(amino_acids()) == "5 × 201 × 61 tensor"
    assert title(amino_acids(), Choice(3)) == "Rank 3 chosen for the 5 × 201 × 61 tensor"
    assert "(interrupted: not all ranks tried)" in title(amino_acids(complete=False), Choice(3))


@pytest.mark.parametrize("style", ["dark_background", "seaborn-v0_8", "classic", "ggplot"])
def test_an_overview_is_readable_in_other_styles(style):
    with plt.style.context(style):
        assert_readable(plot_overview(amino_acids(), Choice(3))["fit"].figure)


def test_an_overview_draws_in_a_given_figure_or_subfigure():
    figure = plt.figure(figsize=(14, 6), layout="constrained")
    for part in figure.subfigures(1, 2):
        panels = plot_overview(amino_acids(), Choice(3), figure=part)
        assert all(ax.figure is part for ax in panels.values())
    assert len(plt.get_fignums()) == 1
    assert_readable(figure)


@of_every_panel
def test_a_panel_draws_on_given_axes_or_makes_its_own_and_marks_nothing_without_a_choice(plot):
    _, given = plt.subplots()
    assert plot(amino_acids(), Choice(3), given) is given
    ax = plot(amino_acids())
    assert ax.figure is not given.figure
    assert not any("chosen" in text for text in legend_texts(ax.get_legend()))


@of_every_panel
def test_every_panel_marks_the_chosen_rank_and_its_curves_differ_without_colour(plot):
    ax = plot(twenty_ranks(), Choice(12))
    ring = drawn(ax, "chosen: 12")
    vertical = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in vertical] == [ring.get_xdata()[0]] * len(vertical) != []
    handles = [line for line in ax.get_legend().legend_handles if isinstance(line, Line2D)]
    looks = [(line.get_marker(), line.get_linestyle(), line.get_markersize()) for line in handles]
    assert len(set(looks)) == len(looks)


@of_every_panel
def test_what_the_table_lacks_is_said(plot):
    ax = plot(RankTable([0, 1], {"noise_loss": [[1.0], [1.0]]}, (4, 5, 6)), Choice(1))
    (note,) = ax.texts
    assert note.get_text().startswith("no ")
    assert ax.get_legend() is None


def test_colours_and_sizes_are_the_users():
    cycler = mpl.cycler(color=["crimson", "navy", "olive"])
    with mpl.rc_context({"axes.prop_cycle": cycler, "text.color": "purple", "font.size": 12}):
        ax = plot_fit(amino_acids(), Choice(3))
    assert drawn(ax, "best").get_color() == "C0"
    assert to_rgba(drawn(ax, "chosen: 3").get_color()) == to_rgba("purple")
    assert ax.xaxis.label.get_fontsize() == 12
    assert ax.get_legend().get_texts()[0].get_fontsize() == pytest.approx(9.6)


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_an_overview_saves_in_every_format(tmp_path, suffix):
    path = tmp_path / f"overview.{suffix}"
    plot_overview(amino_acids(), Choice(3))["fit"].figure.savefig(path)
    assert path.stat().st_size > 0


def test_a_png_is_drawn_without_pyplot():
    assert as_png(lambda ax: ax.plot([1, 2]), (2, 1)).startswith(b"\x89PNG")
    assert not plt.get_fignums()


# Fit and core consistency


def test_the_fit_is_that_of_the_best_start_among_all():
    ax = plot_fit(amino_acids(), Choice(3))
    np.testing.assert_allclose(drawn(ax, "best").get_ydata()[:3], [10.0, 67.6, 88.3])
    np.testing.assert_allclose(drawn(ax, "starts").get_ydata(), 100 - 100 * amino_acids()["loss_starts"].ravel())
    assert np.ptp(drawn(ax, "starts").get_xdata()[:10]) < 1  # beside one another, around their rank
    assert ax.get_ylabel() == "explained (%)"


def test_low_core_consistency_becomes_triangles_at_the_edge():
    ax = plot_core_consistency(amino_acids(), Choice(3))
    low, _ = ax.get_ylim()
    assert carets(ax, CARETDOWN) == [4, 4, 5, 5, 6, 6]  # raw and corrected
    for label in ("raw", "corrected"):
        np.testing.assert_allclose(drawn(ax, label).get_ydata()[1:4], [100, 100, 99.8])
        # No line runs along the edge: what leads to these ranks is out of sight.
        assert (low - 20 < drawn(ax, label).get_ydata()[4:]).all()
        assert (drawn(ax, label).get_ydata()[4:] < low - 10).all()
    assert drawn(ax, "ceiling").get_ydata()[6] == 83.3
    assert "below −20" in legend_texts(ax.get_legend())


@pytest.mark.parametrize(
    ("shape", "constrained", "middle"), [((4, 5, 6), False, 1.5), ((4, 5, 6, 7), False, 1), ((4, 5, 6), True, 1)]
)
def test_core_consistency_says_where_it_carries_no_information(shape, constrained, middle):
    table = replace(make_table([1, 0.5, 0.4, 0.3], [NAN, 100, 99, 98], shape), constrained=constrained)
    (note,) = plot_core_consistency(table).texts
    assert (note.get_text(), note.get_position()[0]) == ("no information", middle)
    assert not plot_core_consistency(table.restricted([3])).texts


# Held-out error


def bars(ax):
    """Return the half-lengths of the error bars, NaN where there is none."""
    ((_, _, (segments,)),) = ax.containers
    ends = [path.vertices[:, 1] if len(path.vertices) else [NAN, NAN] for path in segments.get_paths()]
    return np.ptp(ends, axis=1) / 2


def test_bars_are_paired_with_the_smallest_mean():
    shared = np.array([0.9, 1.0, 1.1, 1.2, 0.8])  # folds differ much, ranks hardly
    folds = np.stack([np.ones(5), 0.50 * shared, 0.40 * shared, 0.41 * shared + [0.001, -0.001, 0.002, 0, 0]])
    table = RankTable([0, 1, 2, 3], {"heldout": folds}, (5, 6, 7))
    ax = plot_heldout(table)
    assert "paired s.e. vs rank 2" in legend_texts(ax.get_legend())
    np.testing.assert_allclose(bars(ax), [table.difference(rank, 2).error for rank in range(4)], atol=1e-12)
    assert bars(ax)[3] < 0.1 * table.standard_error("heldout")[3]


def test_infinite_folds_have_no_bar_and_raise_no_warning():
    folds = [[1.0, 1.0, 1.0], [0.5, 0.6, 0.5], [0.4, np.inf, 0.4]]
    ax = plot_heldout(RankTable([0, 1, 2], {"heldout": folds}, (5, 6, 7)))
    assert "paired s.e. vs rank 1" in legend_texts(ax.get_legend())
    assert np.isnan(bars(ax)).tolist() == [False, False, True]


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
    ax = plot_heldout(RankTable(np.arange(len(errors)), {"heldout": np.array(errors)[:, None]}, (5, 6, 7)))
    assert ax.get_yscale() == scale
    bottom, top = ax.get_ylim()
    assert low < bottom < min(1.0, np.clip(np.nanmin(errors), 1e-12, None))
    assert 1.0 < top < high


def test_one_exploded_fold_is_a_triangle_and_stretches_no_axis():
    folds = pure_noise()["heldout"].copy()
    folds[5, 2] = 40.0
    ax = plot_heldout(RankTable(pure_noise().ranks, {"heldout": folds}, pure_noise().shape))
    assert ax.get_ylim()[1] < 1.5
    assert sum(line.get_marker() == CARETUP for line in ax.lines) == 1


# The front


@pytest.mark.parametrize("table", [amino_acids(), clustered(), twenty_ranks(), pure_noise()])
def test_the_front_writes_every_rank_beside_its_point(table):
    ax = plot_front(table, Choice(3))
    assert [int(text.get_text()) for text in ax.texts] == table.ranks.tolist()
    np.testing.assert_allclose([text.xy[0] for text in ax.texts], table.mean("heldout"))
    assert ax.get_xlim()[0] > ax.get_xlim()[1]  # errors backwards: accuracy grows to the right


def test_the_front_is_that_of_the_policies():
    table = amino_acids()
    ax = plot_front(table)
    # 2 beats 0 and 1, which are no worse trilinear; 6 predicts best; 4 and 5 have no more core consistency than 6.
    np.testing.assert_allclose(drawn(ax, "Pareto front").get_xdata(), table.mean("heldout")[[6, 3, 2]])
    np.testing.assert_allclose(drawn(ax, "Pareto front").get_ydata(), [0, 99.8, 100])
    np.testing.assert_allclose(drawn(ax, "dominated").get_ydata(), [100, 100, 0, 0])
    table = replace(make_table([1, 0.5, 0.4, 0.1], [NAN, 100, 40, 90]), constrained=True)
    np.testing.assert_allclose(drawn(plot_front(table), "Pareto front").get_ydata(), [90, 100])
    np.testing.assert_allclose(drawn(plot_front(table), "dominated").get_ydata(), [100, 40])


@pytest.mark.parametrize(
    ("table", "ticks"),
    [(amino_acids(), ["0.999", "0.99", "0.9", "0"]), (exact(), ["1−1e-10", "1−1e-5", "0"])],
)
def test_the_front_is_labelled_with_accuracies(table, ticks):
    assert written(plot_front(table).xaxis) == ticks


@pytest.mark.parametrize(
    ("error", "text"), [(0.0, "1"), (0.25, "0.75"), (1.5, "−0.5"), (-0.5, "1.5"), (2e-6, "1−2e-6")]
)
def test_an_accuracy_is_written_by_what_is_missing_only_where_something_is(error, text):
    assert _accuracy(error) == text


def test_the_front_separates_close_accuracies():
    ax = plot_front(make_table([1, 0.1, 6e-4, 4e-4], [NAN, 100, 100, 90]))
    x = ax.transAxes.inverted().transform(ax.transData.transform([(6e-4, 0), (4e-4, 0)]))[:, 0]
    assert np.diff(x) > 0.03


# Stability, and what is left


def test_stability_shows_folds_starts_halves_and_the_choice():
    scores = {
        "stability_folds": [[NAN] * 3, [1, 0.9, 0.95], [0.5, 0.2, 0.9]],
        "stability_starts": [[NAN], [1.0], [0.7]],
        "stability_halves": [[NAN] * 2, [1.0, 0.9], [0.4, 0.2]],
    }
    ax = plot_stability(RankTable([0, 1, 2], scores, (5, 6, 7)), Choice(1))
    assert legend_texts(ax.get_legend()) == ["folds", "mean of folds", "other starts", "halves", "chosen: 1"]
    np.testing.assert_allclose(drawn(ax, "mean of folds").get_ydata()[1:], [0.95, 1.6 / 3])
    np.testing.assert_allclose(drawn(ax, "halves").get_ydata()[1:], [0.95, 0.3])
    assert ax.get_ylim()[0] < 0 < 1 < ax.get_ylim()[1]
    assert_readable(ax.figure)


def left_over(left, weakest):
    scores = {"residual_excess": np.log(left)[:, None], "weakest_excess": np.log(weakest)[:, None]}
    return RankTable(np.arange(len(left)), scores, (5, 6, 7))


def test_what_is_left_stands_beside_noise_and_the_weakest_component():
    ax = plot_leftover(left_over([8.0, 4.0, 0.9, 1.0], [NAN, 9.0, 6.0, 1.2]), Choice(2))
    np.testing.assert_allclose(drawn(ax, "strongest left").get_ydata(), [8, 4, 0.9, 1])
    np.testing.assert_allclose(drawn(ax, "weakest of the model").get_ydata(), [NAN, 9, 6, 1.2])
    assert [1, 1] in [list(line.get_ydata()) for line in ax.lines]  # noise
    assert written(ax.yaxis) == ["1", "2", "5", "10"]
    copies = drawn(plot_leftover(amino_acids()), "copies").get_ydata()
    np.testing.assert_allclose(copies, np.exp(amino_acids()["residual_excess"]).ravel())


def test_components_far_above_or_below_noise_do_not_flatten_what_is_left():
    ax = plot_leftover(left_over([5.0, 2.0, 1.0, 1.0], [NAN, 1e9, 20.0, 1e-12]))
    assert ax.get_ylim()[1] / ax.get_ylim()[0] < 50
    assert (carets(ax, CARETUP), carets(ax, CARETDOWN)) == ([1], [3])
