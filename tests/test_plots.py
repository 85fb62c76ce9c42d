"""Plots: the reduction by its numbers, the drawing by what is on it."""

import itertools
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWN, CARETUP
from pictures import assert_readable

from autoten.labels import Labels
from autoten.model import CPModel
from autoten.plots import (
    OverviewData,
    component_styles,
    error_axis,
    overview_data,
    places_beside,
    plot_components,
    plot_core_consistency,
    plot_fit,
    plot_front,
    plot_heldout,
    plot_leftover,
    plot_overview,
)
from autoten.plots.overview import _written_accuracy
from autoten.selection.choice import Choice
from autoten.table import RankTable

PANELS = {
    "fit": plot_fit,
    "core_consistency": plot_core_consistency,
    "heldout": plot_heldout,
    "front": plot_front,
    "leftover": plot_leftover,
}


@pytest.fixture(autouse=True)
def closed_figures(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("a plot called pyplot.show"))
    yield
    plt.close("all")


def make_table(heldout, consistency, shape=(20, 30, 40), corrected=None, ceiling=100.0, complete=True):
    """Return a table with ranks 0, 1, ...: scores around the given curves, 10 starts and 5 folds."""
    rng = np.random.default_rng(0)
    heldout, consistency = np.asarray(heldout, dtype=float), np.asarray(consistency, dtype=float)
    ranks = np.arange(heldout.size)
    folds = heldout[:, None] * np.exp(rng.normal(0, 0.05, 5) + rng.normal(0, 0.01, (ranks.size, 5)))
    folds[0] = 1.0
    left = np.log(1 + heldout - np.nanmin(heldout))[:, None]
    scores = {
        "fit": 1 - heldout[:, None] * 0.9,
        "loss_starts": np.minimum(1, heldout[:, None] * 0.9 * np.exp(np.abs(rng.normal(0, 0.1, (ranks.size, 10))))),
        "core_consistency": consistency[:, None],
        "core_consistency_starts": consistency[:, None] - np.abs(rng.normal(0, 10, (ranks.size, 10))),
        "ceiling": np.where(ranks > 0, ceiling, np.nan)[:, None],
        "corrected_core_consistency": (consistency if corrected is None else np.asarray(corrected, dtype=float))[
            :, None
        ],
        "heldout": folds,
        "residual_excess": left + rng.normal(0, 0.05, (ranks.size, 4)),
        "weakest_excess": np.where(ranks[:, None] > 0, 2 * left + 0.3, np.nan),
    }
    return RankTable(ranks, scores, shape, complete)


def amino_acids(**options):
    """Three real components; core consistency collapses after them, and surplus ones gain a little at high SNR."""
    heldout = [1, 0.36, 0.13, 0.0007, 0.00069, 0.00067, 0.0006]
    consistency = [np.nan, 100, 100, 99.8, -2e7, -1e8, -3e9]
    return make_table(heldout, consistency, (5, 201, 61), ceiling=[100] * 6 + [83.3], **options)


def pure_noise():
    return make_table(1 + 0.012 * np.arange(9), [np.nan, 100, 100, 60, 20, -80, -900, -2e4, -1e5])


def clustered():
    """High SNR and good core consistency throughout: nine ranks at one corner of the front."""
    return make_table(
        [1, 0.5, 0.1, 0.01, *(6e-4 - 1e-5 * np.arange(9))], [np.nan, 100, 100, *(100 - 0.1 * np.arange(10))]
    )


def twenty_ranks():
    heldout = np.exp(-0.35 * np.minimum(np.arange(21), 12))
    return make_table(heldout, [np.nan, *(100 - 0.3 * np.arange(12)), *(100 - 15 * 1.8 ** np.arange(1, 9))])


def exact():
    return make_table([1, 0.3, 0.05, 1e-14, 1e-15, 3e-16, 0], [np.nan, 100, 100, 100, -1e9, 20, -1e12], (9, 8, 7, 6))


def full_of_gaps():
    heldout = [1, np.nan, 0.3, np.nan, 0.2]
    return make_table(heldout, [np.nan, 100, np.nan, np.nan, 40], corrected=[np.nan, 100, np.nan, 90, np.nan])


TABLES = [
    pytest.param(amino_acids(), 3, id="amino acids"),
    pytest.param(amino_acids(complete=False), 3, id="interrupted"),
    pytest.param(pure_noise(), 0, id="noise"),
    pytest.param(clustered(), 5, id="clustered"),
    pytest.param(twenty_ranks(), 12, id="twenty"),
    pytest.param(exact(), 3, id="exact"),
    pytest.param(full_of_gaps(), 2, id="gaps"),
    pytest.param(amino_acids().restricted([3]), 3, id="one candidate"),
    pytest.param(amino_acids().restricted([]), 0, id="rank 0 alone"),
    pytest.param(RankTable([0, 2], {"fit": [[0.0], [0.5]]}, (4, 5, 6)), 2, id="fit alone"),
]


# What is on a figure


def lines_by_label(ax):
    return {line.get_label(): line for line in ax.lines}


def carets(ax, marker):
    """Return the x values of the full-coloured triangles at an edge."""
    found = [line.get_xdata() for line in ax.lines if line.get_marker() == marker and line.get_alpha() is None]
    return sorted(float(x) for xs in found for x in np.atleast_1d(xs))


# Reduction


def test_overview_data_in_numbers():
    data = overview_data(amino_acids(), Choice(3))
    assert isinstance(data, OverviewData)
    assert data.title == "Rank 3 chosen for the 5 × 201 × 61 tensor"
    np.testing.assert_array_equal(data.ranks, range(7))
    assert data.chosen == 3
    np.testing.assert_allclose(data.explained[:3], [10.0, 67.6, 88.3])
    assert data.explained_starts.shape == (7, 10)
    np.testing.assert_array_equal(data.raw[1:], [100, 100, 99.8, -2e7, -1e8, -3e9])
    assert np.isnan(data.raw[0])
    assert data.ceiling[6] == 83.3
    assert data.uninformative == (1, 2)
    np.testing.assert_array_equal(data.interpretability, [100, 100, 100, 99.8, 0, 0, 0])
    assert data.heldout_folds.shape == (7, 5)
    np.testing.assert_allclose(data.leftover, np.exp(amino_acids()["residual_excess"].mean(axis=1)))
    np.testing.assert_allclose(data.weakest, np.exp(amino_acids()["weakest_excess"][:, 0]))
    assert data.leftover_copies.shape == (7, 4)


def test_heldout_bars_are_paired_with_the_smallest_mean():
    shared = np.array([0.9, 1.0, 1.1, 1.2, 0.8])  # folds differ much, ranks hardly
    folds = np.stack([np.ones(5), 0.50 * shared, 0.40 * shared, 0.41 * shared + [0.001, -0.001, 0.002, 0, 0]])
    table = RankTable([0, 1, 2, 3], {"heldout": folds}, (5, 6, 7))
    data = overview_data(table)
    assert data.best == 2
    assert data.heldout_error[2] == 0
    expected = [table.difference(rank, 2).error for rank in range(4)]
    np.testing.assert_allclose(data.heldout_error, expected)
    assert data.heldout_error[3] < 0.1 * table.standard_error("heldout")[3]


def test_front_is_that_of_the_policies():
    data = overview_data(amino_acids())
    # 2 beats 0 and 1, which are no worse trilinear; 6 predicts best; 4 and 5 have no more core consistency than 6.
    np.testing.assert_array_equal(np.flatnonzero(data.on_front), [2, 3, 6])


def test_front_without_one_of_its_scores_is_empty():
    data = overview_data(RankTable([0, 1], {"heldout": [[1.0], [0.5]]}, (5, 6, 7)))
    assert not data.on_front.any()
    assert np.isnan(data.interpretability).all()


@pytest.mark.parametrize(("shape", "expected"), [((4, 5, 6), (1, 2)), ((4, 5, 6, 7), (1,))])
def test_uninformative_ranks_depend_on_the_number_of_modes(shape, expected):
    assert overview_data(make_table([1, 0.5, 0.4, 0.3], [np.nan, 100, 99, 98], shape)).uninformative == expected


def test_core_consistency_of_constrained_fits_says_something_from_rank_2_on():
    table = replace(make_table([1, 0.5, 0.4, 0.1], [np.nan, 100, 40, 90]), constrained=True)
    data = overview_data(table, Choice(3))
    assert data.uninformative == (1,)
    np.testing.assert_array_equal(data.interpretability, [100, 100, 40, 90])
    np.testing.assert_array_equal(np.flatnonzero(data.on_front), [1, 3])
    assert overview_data(replace(table, constrained=False)).interpretability[2] == 100


def test_title_says_what_was_interrupted_and_needs_no_choice():
    assert "interrupted" in overview_data(amino_acids(complete=False), Choice(3)).title
    assert overview_data(amino_acids()).title == "5 × 201 × 61 tensor"


def test_overview_data_refuses_a_rank_that_is_not_in_the_table():
    with pytest.raises(KeyError, match="a rank of this RankTable"):
        overview_data(amino_acids(), Choice(9))


def test_infinite_folds_have_no_bar_and_raise_no_warning():
    folds = [[1.0, 1.0, 1.0], [0.5, 0.6, 0.5], [0.4, np.inf, 0.4]]
    data = overview_data(RankTable([0, 1, 2], {"heldout": folds}, (5, 6, 7)))
    assert data.best == 1
    assert np.isnan(data.heldout_error[2])


def test_error_axis_is_linear_until_errors_spread_tenfold():
    assert error_axis(np.array([1.0, 0.11])).log is False
    low, high, log = error_axis(np.array([1.0, 0.01]), margin=0.5)
    assert (low, high, log) == pytest.approx((0.001, 10.0, True))


def test_error_axis_is_not_stretched_by_exploded_exact_or_missing_errors():
    low, high, _ = error_axis(np.array([1.0, 0.9, 1e9, np.inf, np.nan]), margin=0.0)
    assert (low, high) == (0.9, 2.0)
    assert error_axis(np.array([1.0, 0.0]), margin=0.0).low == 1e-12
    assert error_axis(np.array([np.nan])) == (0.0, 1.0, False)


# Placing of labels


def test_labels_of_one_crowd_cover_nothing():
    anchors = np.full((20, 2), 50.0) + np.random.default_rng(0).normal(0, 0.5, (20, 2))
    sizes = np.tile([11.0, 9.0], (20, 1))
    centres = anchors + places_beside(anchors, sizes, np.array([0.0, 0.0, 200.0, 150.0]))
    low, high = centres - sizes / 2, centres + sizes / 2
    assert (low >= 0).all()
    assert (high <= [200, 150]).all()
    for a, b in itertools.combinations(range(20), 2):
        assert (low[a] >= high[b]).any() or (low[b] >= high[a]).any()


def test_label_without_a_neighbour_is_above_its_point_and_in_a_corner_inside():
    sizes, frame = np.array([[6.0, 8.0]]), np.array([0.0, 0.0, 100.0, 100.0])
    np.testing.assert_allclose(places_beside(np.array([[50.0, 50.0]]), sizes, frame), [[0, 11]], atol=1e-9)
    ((dx, dy),) = places_beside(np.array([[98.0, 98.0]]), sizes, frame)
    assert dx < 0
    assert dy < 0


# Drawing of tables


@pytest.mark.parametrize(("table", "rank"), TABLES)
def test_overview_is_readable(table, rank):
    panels = plot_overview(table, Choice(rank))
    figure = panels["fit"].figure
    assert list(panels) == [name for name in PANELS if name != "leftover" or "residual_excess" in table]
    assert f"Rank {rank} chosen" in figure.get_suptitle()
    assert_readable(figure)


@pytest.mark.parametrize("style", ["dark_background", "seaborn-v0_8", "classic", "ggplot"])
def test_overview_is_readable_in_other_styles(style):
    with plt.style.context(style):
        assert_readable(plot_overview(amino_acids(), Choice(3))["fit"].figure)


@pytest.mark.parametrize("plot", PANELS.values())
def test_panels_draw_on_given_axes_or_make_their_own(plot):
    _, given = plt.subplots()
    assert plot(amino_acids(), Choice(3), given) is given
    assert plot(amino_acids()).figure is not given.figure


@pytest.mark.parametrize("plot", PANELS.values())
def test_every_panel_marks_the_chosen_rank(plot):
    ax = plot(twenty_ranks(), Choice(12))
    assert "chosen: 12" in [text.get_text() for text in ax.get_legend().get_texts()]
    ring = lines_by_label(ax)["chosen: 12"]
    vertical = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in vertical] == [ring.get_xdata()[0]] * len(vertical) != []


@pytest.mark.parametrize("plot", PANELS.values())
def test_without_a_choice_nothing_is_marked(plot):
    ax = plot(amino_acids())
    assert not any("chosen" in text.get_text() for text in ax.get_legend().get_texts())


def test_fit_panel_shows_every_start():
    ax = plot_fit(amino_acids(), Choice(3))
    assert len(lines_by_label(ax)["starts"].get_xdata()) == 7 * 10
    assert ax.get_ylabel() == "explained (%)"


def test_low_core_consistency_becomes_triangles_at_the_edge():
    ax = plot_core_consistency(amino_acids(), Choice(3))
    low, high = ax.get_ylim()
    assert carets(ax, CARETDOWN) == [4, 4, 5, 5, 6, 6]  # raw and corrected
    for line in ax.lines:
        y = np.asarray(line.get_ydata(), dtype=float)
        assert np.nanmin(y, initial=0) >= low
        assert np.nanmax(y, initial=0) <= high
    # No line runs along the edge: ranks 4, 5 and 6 are not joined.
    assert np.isnan(lines_by_label(ax)["corrected"].get_ydata()[1:]).sum() == 2
    assert "below −20" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_core_consistency_says_where_it_carries_no_information():
    (note,) = plot_core_consistency(amino_acids()).texts
    assert note.get_text() == "no information"
    assert note.get_position()[0] == 1.5
    assert not plot_core_consistency(amino_acids().restricted([3, 4])).texts


def test_heldout_axis_follows_the_spread():
    assert plot_heldout(amino_acids()).get_yscale() == "log"
    assert plot_heldout(pure_noise()).get_yscale() == "linear"


def test_heldout_legend_names_the_rank_of_the_paired_errors():
    texts = [text.get_text() for text in plot_heldout(amino_acids()).get_legend().get_texts()]
    assert "paired s.e. vs rank 6" in texts


def test_one_exploded_fold_is_a_triangle_and_stretches_no_axis():
    table = pure_noise()
    folds = table["heldout"].copy()
    folds[5, 2] = 40.0
    ax = plot_heldout(RankTable(table.ranks, {"heldout": folds}, table.shape))
    assert ax.get_ylim()[1] < 1.5
    assert sum(line.get_marker() == CARETUP for line in ax.lines) == 1


def left_over(left, weakest):
    scores = {"residual_excess": np.log(left)[:, None], "weakest_excess": np.log(weakest)[:, None]}
    return RankTable(np.arange(len(left)), scores, (5, 6, 7))


def test_what_is_left_stands_beside_noise_and_the_weakest_component():
    ax = plot_leftover(left_over([8.0, 4.0, 0.9, 1.0], [np.nan, 9.0, 6.0, 1.2]), Choice(2))
    drawn = lines_by_label(ax)
    np.testing.assert_allclose(drawn["strongest left"].get_ydata(), [8, 4, 0.9, 1])
    np.testing.assert_allclose(drawn["weakest of the model"].get_ydata(), [np.nan, 9, 6, 1.2])
    assert [1, 1] in [list(line.get_ydata()) for line in ax.lines]  # noise
    ax.figure.draw_without_rendering()
    low, high = ax.get_ylim()
    written = [label.get_text() for label in ax.get_yticklabels() if low < label.get_position()[1] < high]
    assert written == ["1", "2", "5", "10"]


def test_components_far_above_or_below_noise_do_not_flatten_what_is_left():
    ax = plot_leftover(left_over([5.0, 2.0, 1.0, 1.0], [np.nan, 1e9, 20.0, 1e-12]))
    assert ax.get_ylim()[1] / ax.get_ylim()[0] < 50
    assert (carets(ax, CARETUP), carets(ax, CARETDOWN)) == ([1], [3])


@pytest.mark.parametrize("table", [amino_acids(), clustered(), twenty_ranks(), pure_noise()])
def test_front_writes_every_rank(table):
    ax = plot_front(table, Choice(3))
    assert sorted(int(text.get_text()) for text in ax.texts) == table.ranks.tolist()
    assert ax.get_xlim()[0] > ax.get_xlim()[1]  # errors backwards: accuracy grows to the right


def test_front_is_labelled_with_accuracies():
    ax = plot_front(amino_acids())
    ax.figure.draw_without_rendering()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "0.9", "0.99", "0.999"]
    ax = plot_front(exact())
    ax.figure.draw_without_rendering()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1−1e-5", "1−1e-10"]


def test_front_separates_close_accuracies():
    ax = plot_front(make_table([1, 0.1, 6e-4, 4e-4], [np.nan, 100, 100, 90]))
    x = ax.transAxes.inverted().transform(ax.transData.transform([(6e-4, 0), (4e-4, 0)]))[:, 0]
    assert np.diff(x) > 0.03


@pytest.mark.parametrize("plot", PANELS.values())
def test_what_the_table_lacks_is_said(plot):
    ax = plot(RankTable([0, 1], {"stability_folds": [[1.0], [1.0]]}, (4, 5, 6)), Choice(1))
    (note,) = ax.texts
    assert note.get_text().startswith("no ")
    assert ax.get_legend() is None


def test_overview_draws_in_a_given_figure_or_subfigure():
    figure = plt.figure(figsize=(14, 6), layout="constrained")
    left, right = figure.subfigures(1, 2)
    for part in (left, right):
        panels = plot_overview(amino_acids(), Choice(3), figure=part)
        assert all(ax.figure is part for ax in panels.values())
    assert len(plt.get_fignums()) == 1
    assert_readable(figure)


def test_colours_and_sizes_are_the_users():
    cycler = mpl.cycler(color=["crimson", "navy", "olive"])
    with mpl.rc_context({"axes.prop_cycle": cycler, "text.color": "purple", "font.size": 12}):
        panels = plot_overview(amino_acids(), Choice(3))
    assert lines_by_label(panels["fit"])["best"].get_color() == "C0"
    assert to_rgba(lines_by_label(panels["fit"])["chosen: 3"].get_color()) == to_rgba("purple")
    assert panels["fit"].xaxis.label.get_fontsize() == 12
    assert panels["fit"].get_legend().get_texts()[0].get_fontsize() == pytest.approx(9.6)


@pytest.mark.parametrize("plot", PANELS.values())
def test_curves_differ_without_colour(plot):
    handles = [line for line in plot(amino_acids(), Choice(3)).get_legend().legend_handles if isinstance(line, Line2D)]
    looks = [(line.get_marker(), line.get_linestyle(), line.get_markersize()) for line in handles]
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_overview_saves_in_every_format(tmp_path, suffix):
    path = tmp_path / f"overview.{suffix}"
    plot_overview(amino_acids(), Choice(3))["fit"].figure.savefig(path)
    assert path.stat().st_size > 0


# Drawing of components


def make_model(shape, rank):
    rng = np.random.default_rng(0)
    return CPModel(np.arange(1.0, rank + 1), [rng.normal(size=(length, rank)) for length in shape])


COMPONENTS = [
    pytest.param((5, 201, 61), 3, [[f"sample {i}" for i in range(5)], np.arange(250, 451), None], id="spectra"),
    pytest.param((5, 6, 7), 1, None, id="one component"),
    pytest.param(
        (8, 100, 60), 10, [None, None, [f"a station with a long name {i}" for i in range(60)]], id="ten components"
    ),
    pytest.param(
        (12, 30, 24, 4), 2, [None, np.arange("2021-01", "2023-07", dtype="datetime64[M]"), None, None], id="four modes"
    ),
    pytest.param(
        (3, 12, 13, 40, 2), 4, [["no", "yes", "perhaps"], None, None, 1e5 * np.arange(40), None], id="five modes"
    ),
    pytest.param((3, 12, 13, 40, 2, 7), 4, [None, None, None, None, None, ["$5_to_$10"] * 7], id="six modes"),
]


@pytest.mark.parametrize(("shape", "rank", "labels"), COMPONENTS)
def test_components_are_readable(shape, rank, labels):
    axes = plot_components(make_model(shape, rank), labels=labels)
    assert [ax.get_title() for ax in axes] == [f"mode {mode}" for mode in range(len(shape))]
    (legend,) = axes[0].figure.legends
    assert len(legend.get_texts()) == rank
    assert_readable(axes[0].figure)


def test_a_model_without_components_says_so_in_every_panel():
    axes = plot_components(CPModel(np.zeros(0), tuple(np.zeros((length, 0)) for length in (4, 5, 6))))
    assert [[text.get_text() for text in ax.texts] for ax in axes] == [["no components"]] * 3


@pytest.mark.parametrize(("error", "written"), [(0.0, "1"), (0.25, "0.75"), (-0.5, "1.5"), (2e-6, "1−2e-6")])
def test_an_accuracy_is_written_by_what_is_missing_only_where_something_is(error, written):
    assert _written_accuracy(error) == written


def test_legend_gives_the_share_of_the_weights_largest_first():
    model = CPModel(np.array([1.0, 3.0]), [np.eye(length)[:, :2] for length in (2, 3, 4)])
    (legend,) = plot_components(model)[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["1: 75%", "2: 25%"]


def test_columns_are_drawn_with_unit_length_and_numbers_as_x():
    model = make_model((5, 20, 30), 2)
    wavelengths = np.arange(300, 280, -1)
    axes = plot_components(model, labels=[None, wavelengths, None])
    lines = [line for line in axes[1].lines if len(line.get_xdata()) == 20]
    assert len(lines) == 2
    for line, column in zip(lines, model.normalized().factors[1].T, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), wavelengths[::-1])  # drawn from left to right
        np.testing.assert_allclose(line.get_ydata(), column[::-1])
        assert np.linalg.norm(line.get_ydata()) == pytest.approx(1)


def test_short_modes_are_bars_long_texts_points_and_the_rest_lines():
    axes = plot_components(make_model((12, 13, 13), 2), labels=[None, list("abcdefghijklm"), None])
    assert [len(ax.containers) for ax in axes] == [2, 0, 0]
    assert {line.get_linestyle() for line in axes[1].lines[1:]} == {"None"}
    assert [line.get_linestyle() for line in axes[2].lines[1:]] == ["-", "--"]
    assert axes[1].get_xticklabels()[0].get_text() == "a"


def test_a_labelled_model_brings_its_names():
    labels = Labels(("breads", "wavelength", "judge"), (np.array(list("abcde")), np.arange(300, 320), None))
    model = make_model((5, 20, 4), 2).labelled(labels)
    axes = plot_components(model)
    assert [ax.get_title() for ax in axes] == ["breads", "wavelength", "judge"]
    assert [label.get_text() for label in axes[0].get_xticklabels()] == list("abcde")
    assert axes[1].lines[1].get_xdata().tolist() == list(range(300, 320))
    other = plot_components(model, labels=[list("vwxyz"), None, None])
    assert [label.get_text() for label in other[0].get_xticklabels()] == list("vwxyz")


def test_components_draw_on_given_axes():
    _, axes = plt.subplots(1, 3)
    assert plot_components(make_model((5, 6, 70), 2), axes=axes).tolist() == axes.tolist()
    assert axes[2].get_legend() is not None


def test_a_model_without_components_is_an_empty_grid():
    axes = plot_components(CPModel(np.ones(0), [np.ones((length, 0)) for length in (3, 4, 50)]))
    assert axes.shape == (3,)


def test_components_takes_a_plain_pair():
    assert plot_components((None, [np.ones((length, 1)) for length in (3, 4, 5)])).shape == (3,)


def test_components_refuses_what_does_not_fit():
    model = make_model((5, 6, 7), 2)
    with pytest.raises(ValueError, match="labels of plot_components must be one sequence or None for each of 3 modes"):
        plot_components(model, labels=[None])
    with pytest.raises(ValueError, match=r"labels of mode 1 in plot_components must be 6 labels.*Got shape \(2,\)"):
        plot_components(model, labels=[None, ["a", "b"], None])
    with pytest.raises(ValueError, match=r"axes of plot_components must be one for each of 3 modes\. Got 1\."):
        plot_components(model, axes=[plt.figure().add_subplot()])


def test_component_styles_differ_without_colour():
    styles = component_styles(10)
    assert len({style.marker for style in styles}) == len({style.hatch for style in styles}) == 10
    assert len({(style.linestyle, style.marker) for style in styles}) == 10
    assert component_styles(12)[10].marker == styles[0].marker  # more are drawn, in looks that return
