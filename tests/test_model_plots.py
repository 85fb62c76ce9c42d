"""Pictures of models and samples: modes, comparison, core elements, influence; and what was hardly observed."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from pictures import assert_readable, drawn, entries

from autoten import CPModel, estimate_rank, fit_parafac, match_components, plots, weighted
from autoten.datasets import load_amino_acids, make_cp_tensor
from autoten.door import as_tensor
from autoten.labels import Labels
from autoten.plots import (
    bars,
    heat_map,
    lines,
    plot_components,
    plot_core_elements,
    plot_influence,
    plot_mode,
    plot_top,
    points,
    top_bars,
)
from autoten.plots.components import least_height
from autoten.warn import unseen_warnings

MONTHS = np.arange("2021-01", "2023-07", dtype="M8[M]")
LABELS = Labels(("sample", "month", "station"), (None, MONTHS, None))
STATIONS = [f"a station with a long name {i}" for i in range(300)]


def make_model(shape, rank, seed=0, labels=None):
    rng = np.random.default_rng(seed)
    return CPModel(np.arange(rank, 0.0, -1.0), [rng.normal(size=(length, rank)) for length in shape], labels)


def tick_texts(ax):
    return [text.get_text() for text in ax.get_xticklabels()]


def below_a_line():
    """Return fluorescence of three fluorophores, without what lies below the line of excitation."""
    rng, emission, excitation = np.random.default_rng(0), np.arange(290, 551, 9.0), np.arange(230, 481, 8.0)

    def peaks(x, at, width):
        return np.exp(-0.5 * ((x[:, None] - at) / width) ** 2)

    B = peaks(emission, [320, 370, 430], [18, 25, 32])
    C = peaks(excitation, [265, 300, 345], [12, 15, 20]) + 0.4 * peaks(excitation, [235, 245, 270], 12)
    X = np.einsum("ir,jr,kr->ijk", rng.gamma(3, 1, (20, 3)), B, C)
    X = X + 0.005 * X.max() * rng.standard_normal(X.shape)
    X[:, emission[:, None] < excitation + 12] = np.nan
    return X


def in_order(model):
    """Return the model with its entries sorted: no neighbours are far apart."""
    return CPModel(model.weights, tuple(np.sort(factor, axis=0) for factor in model.factors), model.labels)


@pytest.fixture(scope="module")
def extrapolated():
    return below_a_line(), fit_parafac(below_a_line(), 3, n_starts=3, random_state=0).model


def test_support_is_the_observed_share_of_squares_and_cells_support_by_their_weights(extrapolated):
    X, model = extrapolated
    noise = np.ones((20, 8, 8))
    noise[5:] = 0.1
    unequal = fit_parafac(weighted(np.nan_to_num(X)[:, ::4, ::4], noise), 2, n_starts=1, random_state=0).model
    for fitted, weights in ((model, ~np.isnan(X) * 1.0), (unequal, noise**-2.0 / (noise**-2.0).mean())):
        A, B, C = (np.square(factor) for factor in fitted.factors)
        wanted = ("ijk,jr,kr->ir", B, C), ("ijk,ir,kr->jr", A, C), ("ijk,ir,jr->kr", A, B)
        for shares, (rule, *others) in zip(fitted.support, wanted, strict=True):
            np.testing.assert_allclose(shares, np.einsum(rule, weights, *others), atol=1e-12)
        np.testing.assert_allclose(fitted.observed_share, np.einsum("ijk,ir,jr,kr->r", weights, A, B, C), atol=1e-12)
    assert unequal.observed_share.max() > 1.0
    factors, support = ([part[:, ::-1] for part in parts] for parts in (model.factors, model.support))
    reordered = CPModel(model.weights[::-1], factors, support=tuple(support)).normalized()
    np.testing.assert_array_equal(reordered.support[1], model.support[1])


def test_complete_data_support_everything_alike_and_data_missing_at_random_leave_nothing_without():
    X = np.nan_to_num(below_a_line())
    model = fit_parafac(X, 2, n_starts=1, random_state=0).model
    assert (model.support, model.observed_share.tolist()) == (None, [1.0, 1.0])
    X[np.random.default_rng(1).random(X.shape) < 0.5] = np.nan
    model = fit_parafac(X, 2, n_starts=1, random_state=0).model
    np.testing.assert_allclose(model.observed_share, 0.5, atol=0.05)
    assert "hardly observed" not in entries(plot_components(model)[0].figure.legends[0])


def test_shares_of_the_weights_are_those_in_observed_cells(extrapolated):
    _, model = extrapolated
    figure = plot_components(model)[0].figure
    assert_readable(figure)
    assert figure.legends[0].get_title().get_text() == "component, by weight: share of the weights in observed cells"
    norms = model.weights * np.sqrt(model.observed_share)
    shares = [f"{r + 1}: {share:.0%}" for r, share in enumerate(norms / norms.sum())]
    assert entries(figure.legends[0]) == [*shares, "hardly observed"]
    assert np.ptp(norms / norms.sum()) < 0.2 < np.ptp(model.weights / model.weights.sum())


def test_shares_are_those_of_the_sum_where_nothing_is_negative():
    factors = [
        np.array([[3.0, 0.0], [1.0, 1.0]]),
        np.array([[1.0, 0.0], [1.0, 2.0]]),
        np.array([[1.0, 1.0], [1.0, 0.0]]),
    ]
    model = CPModel(np.ones(2), factors)
    sums = [CPModel(np.ones(1), [factor[:, [r]] for factor in factors]).to_tensor().sum() for r in range(2)]
    figure = plot_components(model)[0].figure
    assert (
        entries(figure.legends[0])
        == [f"{r + 1}: {sums[r] / model.to_tensor().sum():.0%}" for r in range(2)]
        == ["1: 89%", "2: 11%"]
    )
    assert figure.legends[0].get_title().get_text() == "component: share of the sum of all cells"
    assert plot_top(model)[0, 0].figure.get_suptitle().endswith("its share of the sum of all cells")
    factors[0][1, 1] = -1.0
    assert plot_top(CPModel(np.ones(2), factors))[0, 0].figure.get_suptitle().endswith("its share of the weights")


@pytest.mark.parametrize("draw", [lines, points, bars, heat_map])
def test_entries_without_support_are_crossed_out(extrapolated, draw):
    _, model = extrapolated
    ax = plot_mode(model, 2, draw=draw)
    assert_readable(ax.figure)
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    # Where components have colours, crosses have them, too.
    colors = ["black"] if draw is heat_map else [style.color for style in plots.component_styles(3)]
    assert {line.get_color() for line in crosses} <= {*colors}
    r, index = np.nonzero((model.support[2] < 0.01 * model.observed_share).T)
    x, y = (np.concatenate([getattr(line, get)() for line in crosses]) for get in ("get_xdata", "get_ydata"))
    if draw is heat_map:
        index, r = np.nonzero(model.support[2] < 0.01 * model.observed_share)
    assert len(index) > 3
    assert (index > 15).all()  # the long end, where a component's own emission is missing
    width = 0.8 / 3 if draw is bars else 0.0
    np.testing.assert_allclose(x, index + (r - 1) * width)
    np.testing.assert_allclose(y, r + 1 if draw is heat_map else model.factors[2][index, r])
    assert not [line for line in plot_mode(model, 0, draw=draw).lines if line.get_marker() == "x"]


def test_extrapolation_of_the_chosen_rank_is_warned_of(extrapolated):
    X, model = extrapolated
    _, B, C = (np.square(factor) for factor in model.factors)
    shares = np.einsum("jk,jr,kr->r", np.isnan(X).all(axis=0), B, C)
    held = ", ".join(f"{100 * share:.0f} % of component {r + 1}" for r, share in enumerate(shares) if share > 0.2)
    assert list(unseen_warnings(as_tensor(X), model)) == [
        f"At rank 3 {held} (of its squares) {'lie' if ',' in held else 'lies'} where nothing was observed at any index "
        "of mode 0: what the model says there is extrapolated, not measured. "
        "Probabilities speak of observed cells alone."
    ]
    answer = estimate_rank(X.transpose(1, 0, 2), [1, 3], n_starts=3, n_folds=2, random_state=0, policy=lambda table: 3)
    assert any("nothing was observed at any index of mode 1:" in warning for warning in answer.warnings)
    complete = make_cp_tensor((6, 7, 8), 2, random_state=0).X
    assert not list(unseen_warnings(as_tensor(complete), make_model((6, 7, 8), 2)))


COMPONENTS = {
    "spectra": ((5, 201, 61), 3, [[f"sample {i}" for i in range(5)], np.arange(250, 451), None]),
    "ten components": ((8, 100, 60), 10, [None, None, STATIONS[:60]]),
    "four modes": ((12, 30, 24, 4), 2, [None, MONTHS, None, None]),
    "six modes": ((3, 12, 13, 40, 2, 7), 4, [list("abc"), None, None, 1e5 * np.arange(40), None, ["$5_to_$10"] * 7]),
    "many labels": ((300, 13, 4), 1, [STATIONS, None, None]),
}


@pytest.mark.parametrize(("shape", "rank", "labels"), COMPONENTS.values(), ids=COMPONENTS)
def test_components_are_readable(shape, rank, labels):
    axes = plot_components(make_model(shape, rank), labels=labels)
    assert [ax.get_title() for ax in axes] == [f"mode {mode}" for mode in range(len(shape))]
    assert len(entries(axes[0].figure.legends[0])) == rank
    assert_readable(axes[0].figure)


def test_a_model_without_components_says_so_in_every_panel():
    model = make_model((4, 30, 6), 0)
    panels = [*plot_components(model), plot_mode(model, 1), plot_mode(model, 1, draw=heat_map)]
    assert [[text.get_text() for text in ax.texts] for ax in panels] == [["no components"]] * 5


def test_columns_are_drawn_with_unit_length_and_numbers_as_x_the_largest_share_first():
    model = CPModel(np.array([1.0, 3.0]), in_order(make_model((5, 20, 30), 2)).unit_columns().factors)
    wavelengths = np.arange(300, 280, -1)
    axes = plot_components(model, labels=[None, wavelengths, None])
    assert entries(axes[0].figure.legends[0]) == ["1: 75%", "2: 25%"]
    for line, column in zip(axes[1].lines[1:], model.normalized().factors[1].T, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), wavelengths[::-1])  # drawn from left to right
        np.testing.assert_allclose(line.get_ydata(), column[::-1])
        assert np.linalg.norm(line.get_ydata()) == pytest.approx(1)


def test_a_labelled_model_brings_its_names_and_a_pair_is_a_model_too():
    labels = Labels(("breads", "wavelength", "judge"), (np.array(list("abcde")), np.arange(300, 320), None))
    model = make_model((5, 20, 4), 2, labels=labels)
    axes = plot_components(model)
    assert [ax.get_title() for ax in axes] == ["breads", "wavelength", "judge"]
    assert tick_texts(axes[0]) == list("abcde")
    assert axes[1].lines[1].get_xdata().tolist() == list(range(300, 320))
    _, given = plt.subplots(1, 3)
    axes = plot_components((None, model.factors), labels=[list("vwxyz"), None, None], axes=given)
    assert axes.tolist() == given.tolist()
    assert tick_texts(axes[0]) == list("vwxyz")
    assert entries(axes[2].get_legend())


def test_component_styles_differ_without_colour():
    styles = plots.component_styles(12)
    assert len({style.marker for style in styles}) == len({style.hatch for style in styles}) == 10
    assert len({(style.linestyle, style.marker) for style in styles[:10]}) == 10
    assert styles[10].marker == styles[0].marker  # more are drawn, in looks that return


def drawing_of(length, rank, labels=None, made=in_order):
    ax = plot_mode(made(make_model((length, 4, 5), rank)), 0, labels=labels)
    if ax.collections:
        return heat_map
    if ax.get_yticklabels()[0].get_text().startswith("all "):
        return top_bars
    return bars if ax.containers else points if ax.lines[1].get_linestyle() == "None" else lines


def test_how_a_mode_is_drawn_follows_length_rank_and_labels():
    assert [drawing_of(12, 3), drawing_of(12, 4)] == [bars, heat_map]
    assert [drawing_of(13, 6), drawing_of(13, 7)] == [lines, heat_map]
    assert [drawing_of(13, 2, list("abcdefghijklm")), drawing_of(13, 2, MONTHS[:13])] == [top_bars, lines]
    assert [drawing_of(13, 7, list("abcdefghijklm")), drawing_of(12, 3, list("abcdefghijkl"))] == [top_bars, bars]


def test_rows_of_components_are_drawn_as_it_is_said():
    names = [f"n{i:02d}" for i in range(45)]
    model = make_model((30, 45, 20), 3, labels=Labels(("trial", "neuron", "time"), (None, np.array(names), None)))
    axes = plot_top(model, 6, draw=[None, plots.bars, None])
    for r, ax in enumerate(axes[:, 1]):  # all of them, in their own order in every row
        np.testing.assert_allclose([bar.get_height() for bar in ax.patches], model.normalized().factors[1][:, r])
    with pytest.raises(ValueError, match=r"^draw of plot_top must be one for each of 3 modes\. Got 1\.$"):
        plot_top(model, draw=[None])


def test_entries_that_jump_are_points_in_the_order_of_their_labels():
    def jumping(model):
        return model

    for labels in (None, range(40), np.arange("2021-01", "2024-05", dtype="M8[M]")):
        assert [drawing_of(40, 3, labels, made) for made in (in_order, jumping)] == [lines, points]
    assert drawing_of(30, 3, None, jumping) is lines  # with a mark on every point
    model, shuffled = in_order(make_model((40, 5, 4), 2)), np.random.default_rng(0).permutation(40)
    mixed = CPModel(model.weights, (model.factors[0][shuffled], *model.factors[1:]))
    assert drawing_of(40, 2, shuffled, lambda _: mixed) is lines  # their labels put them in order
    assert drawing_of(40, 2, None, lambda _: mixed) is points
    # In rows of one component each, a mode is drawn alike in all.
    column = np.column_stack([np.linspace(0.0, 3.0, 40), 2.0 * (np.arange(40) % 2)])
    both = CPModel(np.ones(2), (column, *model.factors[1:]))
    for axes in (plot_top(both), plots.plot_comparison(both, both)):
        assert {ax.lines[1].get_linestyle() for ax in axes[:, 0]} == {"None"}
    constant = CPModel(np.ones(2), (np.ones((40, 2)), *model.factors[1:]))
    assert drawing_of(40, 2, None, lambda _: constant) is lines


def test_a_heat_map_has_a_row_for_each_component_and_numbers_along_x():
    model = make_model((5, 20, 30), 4).normalized()
    ax = plot_mode(model, 1, labels=range(320, 300, -1), draw=heat_map)
    mesh = ax.collections[0]
    np.testing.assert_allclose(np.asarray(mesh.get_array()), model.factors[1][::-1].T)
    assert (ax.get_xlim(), ax.get_ylim()) == ((300.5, 320.5), (4.5, 0.5))  # the first on top


HOURS = np.array([1, *range(5, 22), 23])


def test_hours_that_are_skipped_are_not_drawn():
    factor = np.abs(make_model((len(HOURS), 4, 5), 2).factors[0])
    styles = plots.component_styles(2)
    ax = plt.figure().add_subplot()
    heat_map(ax, factor, HOURS, styles)
    mesh = ax.collections[0]
    edges, cells = mesh.get_coordinates()[0, :, 0], np.ma.getdata(mesh.get_array())[0]
    shown = np.isfinite(cells)
    np.testing.assert_allclose(np.diff(edges)[shown], 1.0)
    np.testing.assert_allclose(edges[:-1][shown] + 0.5, HOURS)
    np.testing.assert_array_equal(cells[shown], factor[:, 0])
    ax = plt.figure().add_subplot()
    lines(ax, factor, HOURS, styles)
    x, y = ax.lines[1].get_data()
    np.testing.assert_array_equal(x[np.isnan(y)], [2, 4, 22])
    np.testing.assert_array_equal(y[np.isfinite(y)], factor[:, 1])
    assert ax.lines[1].get_markevery() == list(range(len(x)))


@pytest.mark.parametrize(
    "x",
    [
        np.arange(20),
        np.geomspace(1, 100, 20),  # no regular steps
        np.cumsum([0, 1, 1, 5, 5, 5, 1, 5, 5, 5]),  # two kinds of steps
        np.array([3, 3, 4, 5, 9]),  # no step at all
        np.array(["2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05", "2026-01-09"], dtype="M8[D]"),  # weekends
    ],
)
def test_labels_without_a_gap_among_regular_steps_are_joined(x):
    factor = np.random.default_rng(0).random((len(x), 1))
    ax = plt.figure().add_subplot()
    lines(ax, factor, x, plots.component_styles(1))
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), factor[:, 0])


def test_of_a_long_line_with_gaps_lone_points_are_marked():
    x = np.array([0, *range(10, 90), 95])
    ax = plt.figure().add_subplot()
    lines(ax, np.ones((len(x), 1)), x, plots.component_styles(1))
    drawn = ax.lines[0].get_xdata()
    assert {0.0, 95.0} <= set(drawn[ax.lines[0].get_markevery()])


def test_a_heat_map_is_centred_at_zero_where_entries_have_both_signs():
    factor = np.abs(make_model((20, 4, 5), 4).factors[0])
    largest = factor.max()
    for least, colors, span in (
        (0.0, mpl.rcParams["image.cmap"], (0.0, largest)),
        (-1e-3 * largest, mpl.rcParams["image.cmap"], (-1e-3 * largest, largest)),  # rounding, not a sign
        (-0.2 * largest, "RdBu_r", (-largest, largest)),
        (-2.0 * largest, "RdBu_r", (-2.0 * largest, 2.0 * largest)),
    ):
        ax = plt.figure().add_subplot()
        factor[3, 2] = least
        heat_map(ax, factor, None, plots.component_styles(4))
        mesh = ax.collections[0]
        assert (mesh.get_cmap().name, mesh.get_clim()) == (colors, pytest.approx(span))


def names_and_bars(ax):
    """Return the names at the bars that lie in Axes, and how long these are."""
    return [*zip(tick_names(ax), [bar.get_width() for bar in ax.patches], strict=True)]


def tick_names(ax):
    return [text for text in (label.get_text() for label in ax.get_yticklabels()) if not text.startswith("all ")]


def test_the_largest_entries_of_each_component_are_named_in_the_order_of_their_magnitude():
    factor = np.zeros((30, 2))
    factor[[3, 7, 12], 0] = -0.5, 0.4, 0.1
    factor[[4, 3], 1] = 0.9, 0.2
    model = CPModel(np.array([2.0, 1.0]), [np.ones((4, 2)), factor, np.ones((20, 2))])
    names = [f"place {i}" for i in range(30)]
    axes = plot_top(model, 2, labels=[None, names, range(20)])
    assert axes.shape == (2, 3)
    assert [ax.get_ylabel()[:2] for ax in axes[:, 0]] == ["1:", "2:"]
    unit = model.normalized().factors[1]
    wanted = [("place 3", unit[3, 0]), ("place 7", unit[7, 0])], [("place 4", unit[4, 1]), ("place 3", unit[3, 1])]
    for ax, named in zip(axes[:, 1], wanted, strict=True):
        assert names_and_bars(ax) == [(name, pytest.approx(entry)) for name, entry in named]
        assert len(ax.lines[1].get_xdata()) == 30  # and every entry is a stroke
    assert [len(ax.containers) for ax in axes[0, [0, 2]]] == [1, 0]  # a mode without names as ever: bars, lines
    together = plot_mode(model, 1, labels=names)
    assert [name for name in tick_names(together) if name][:3] == ["place 3", "place 7", "place 12"]
    assert tick_names(together)[-3:] == [""] * 3  # of zeros there is nothing to name


def test_entries_without_support_are_not_named(extrapolated):
    _, model = extrapolated
    names = np.array([f"{wavelength} nm" for wavelength in range(model.shape[2])])
    without = model.without_support(2)
    factors = [*model.factors[:2], np.where(without, 10.0, model.factors[2])]  # the largest of all, and unknown
    in_order = CPModel(np.array([1e6, 1e3, 1.0]), factors, support=model.support)
    axes = plot_top(in_order, 5, labels=[None, None, names])
    for ax, unknown in zip(axes[:, 2], without.T, strict=True):
        assert unknown.any()
        assert not set(tick_names(ax)) & set(names[unknown])
    assert_readable(axes[0, 0].figure)


TOP = {
    "many components": ((40, 15, 65), 12, 2),
    "one component": ((13, 6, 20), 1, 10),
    "more than there are": ((4, 5, 3), 2, 10),
    "four modes": ((30, 20, 7, 9), 3, 5),
    "one name": ((1, 20, 7), 3, 10),
}


@pytest.mark.parametrize(("shape", "rank", "n"), TOP.values(), ids=TOP)
def test_the_largest_entries_are_readable(shape, rank, n):
    labels = [STATIONS[: shape[0]], 1000 * np.arange(shape[1]), *([f"a{i}" for i in range(n)] for n in shape[2:])]
    axes = plot_top(make_model(shape, rank), n, labels=labels)
    assert len(axes[0, 0].patches) == (min(n, shape[0]) if shape[0] > 12 else shape[0])
    assert_readable(axes[0, 0].figure)


def test_a_mode_of_few_labels_is_drawn_whole_in_its_order():
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    model = make_model((30, 7, 20), 2).normalized()
    axes = plot_top(model, 4, labels=[STATIONS[:30], days, None])
    heights = [bar.get_height() for bar in axes[1, 1].patches]
    np.testing.assert_array_equal(heights, model.factors[1][:, 1])
    axes[0, 0].figure.draw_without_rendering()
    assert [label.get_text() for label in axes[1, 1].get_xticklabels()] == days
    assert {ax.title.get_ha() for ax in axes[0]} == {"center"}
    model = model.labelled(Labels(("a very long name", "day", "c"), (np.array(STATIONS[:30]), None, None)))
    assert {ax.title.get_ha() for ax in plot_top(model)[0]} == {"right"}  # beside names it has no room but there


@pytest.mark.parametrize(("rank", "n", "shape"), [(1, 10, 16 / 9), (3, 4, 16 / 9), (4, 5, 1.6), (9, 4, 0.8)])
def test_the_largest_entries_have_the_shape_of_a_slide_where_their_rows_allow(rank, n, shape):
    axes = plot_top(make_model((30, 7, 20), rank), n, labels=[STATIONS[:30], None, None])
    width, height = axes[0, 0].figure.get_size_inches()
    assert 7 <= width <= 8
    assert width / height == pytest.approx(shape, rel=0.06)


@pytest.mark.parametrize("rank", [1, 2, 7, 12])
def test_names_beside_one_mode_and_its_legend_are_readable_on_the_page(rank):
    model = make_model((300, 4, 5), rank).labelled(Labels(("station", "b", "c"), (np.array(STATIONS), None, None)))
    ax = plt.figure(figsize=(3.7, max(2.9, least_height(model, 0))), layout="constrained").add_subplot()
    plot_mode(model, 0, ax=ax)
    assert len(tick_names(ax)) >= 3 * rank
    assert_readable(ax.figure)


@pytest.mark.parametrize(("rank", "n_named"), [(1, 10), (3, 4), (12, 3)])
def test_names_of_a_long_mode_stand_beside_the_largest_entries(rank, n_named):
    axes = plot_components(make_model((300, 13, 4), rank), labels=[STATIONS, None, None])
    assert len(tick_names(axes[0])) == rank * n_named
    assert_readable(axes[0].figure)


def test_where_not_even_one_name_for_each_component_has_room_there_is_a_heat_map():
    ax = plt.figure(figsize=(3.5, 2.0), layout="constrained").add_subplot()
    plot_mode(make_model((300, 4, 5), 9), 0, labels=[f"s{i}" for i in range(300)], ax=ax)
    assert ax.collections
    assert_readable(ax.figure)


def test_every_label_of_a_few_is_written():
    wavelengths = [230, 240, 255, 290, 305, 325, 340]
    axes = plot_components(make_model((268, 53, 7), 3), labels=[None, None, wavelengths])
    assert tick_texts(axes[2]) == [str(each) for each in wavelengths]
    assert_readable(axes[0].figure)


SPANS = np.arange(8).astype("m8[h]")
OF_EVERY_KIND = {
    "none": None,
    "dates": np.arange("2021-03-01", "2021-03-09", dtype="M8[D]"),
    "texts": list("abcdefgh"),
    "spans in nanoseconds": SPANS.astype("m8[ns]"),
    "spans in years": np.arange(8).astype("m8[Y]"),
    "a span unknown": np.array([*SPANS[:7], np.timedelta64("NaT")]),
    "a date unknown": np.array(["2021-03-01"] * 7 + ["NaT"], dtype="M8[D]"),
    "a number unknown": [1.0, np.nan, 3.0, np.inf, 5.0, 6.0, 7.0, 8.0],
    "the same number": [2.0] * 8,
    "blank": ["", "  "] * 4,
}


@pytest.mark.parametrize("labels", OF_EVERY_KIND.values(), ids=OF_EVERY_KIND)
def test_every_mode_drawing_is_readable_with_every_kind_of_label(labels):
    axes = plot_components(make_model((8,) * 4, 3), labels=[labels] * 4, draw=[bars, lines, points, heat_map])
    assert [(len(ax.containers), bool(ax.collections)) for ax in axes] == [
        (3, False),
        (0, False),
        (0, False),
        (0, True),
    ]
    assert_readable(axes[0].figure)


@pytest.mark.parametrize(
    ("labels", "first", "last"),
    [
        (np.array([24, 36, 48]).astype("m8[h]").astype("m8[ns]"), "24 hours", "48 hours"),
        (np.array([24, 48, 72]).astype("m8[h]"), "1 days", "3 days"),
        (np.array([1, 2, 3]).astype("m8[M]"), "1 months", "3 months"),
        (np.arange("2021-03-01", "2021-03-04", dtype="M8[D]").astype("M8[ns]"), "2021-03-01", "2021-03-03"),
        ([0.1 + 0.2, 1, 1e9], "0.3", "1e+09"),
        (STATIONS[:3], "a station…g name 0", "a station…g name 2"),  # they differ at the end
        (["one\nline ", "x", "\ttwo  words"], "one line", "two words"),
    ],
)
def test_labels_are_written_no_longer_than_they_need_to_be(labels, first, last):
    written = tick_texts(plot_mode(make_model((3, 4, 5), 1), 0, labels=labels))
    named = plot_influence(([0.1, 0.2, 0.7], [1.0, 1.2, 5.0]), labels=labels).texts
    assert [written[0], written[2]] == [named[0].get_text(), named[2].get_text()] == [first, last]


def test_one_mode_is_drawn_by_number_or_name_and_by_a_function_of_ones_own():
    model, seen = make_model((5, 30, 6), 2, labels=LABELS), []
    for mode in (1, -2, "month"):
        ax = plot_mode(model, mode)
        assert (ax.get_xlabel(), len(ax.lines), entries(ax.get_legend())) == ("month", 3, ["1: 63%", "2: 37%"])

    def own(ax, *others):
        ax.set_xticks([])
        seen.extend(others)

    plot_mode(model, 2, labels=list("abcdef"), draw=own)
    assert (seen[0].shape, seen[1].tolist(), len(seen[2])) == ((6, 2), list("abcdef"), 2)


def test_a_comparison_draws_matched_pairs_in_the_first_models_order():
    a = in_order(make_model((5, 40, 30), 3))
    turned = [factor[:, [2, 0, 1]] * sign for factor, sign in zip(a.factors, (-1, 1, -1), strict=True)]
    axes = plots.plot_comparison(a, CPModel(a.weights[[2, 0, 1]], turned), names=("mine", "yours"))
    assert {ax.get_title(loc="right") for ax in axes.flat} <= {"1.000", "−1.000"}
    for row in axes:
        mine, yours = row[1].lines[1:]
        np.testing.assert_allclose(mine.get_ydata(), yours.get_ydata(), atol=1e-12)  # signs are turned to agree
        assert (mine.get_linestyle(), yours.get_linestyle()) == ("-", "--")
    assert entries(axes[0, 0].figure.legends[0]) == ["mine", "yours"]
    assert [ax.get_xlabel() for ax in axes[-1]] == ["mode 0", "mode 1", "mode 2"]


def test_a_comparison_says_which_components_and_how_alike():
    a, b = in_order(make_model((6, 20, 30), 2)), in_order(make_model((6, 20, 30), 3, seed=1))
    _, given = plt.subplots(3, 3)
    axes = plots.plot_comparison(a, b, axes=given)
    assert (axes == given).all()
    matches = match_components(a.normalized(), b.normalized())
    wanted = [f"{r + 1} and {s + 1}" for r, s in zip(matches.first, matches.second, strict=True)]
    (alone,) = {0, 1, 2} - set(matches.second)
    assert [ax.get_ylabel() for ax in axes[:, 0]] == [*wanted, f"– and {alone + 1}"]
    (line,) = axes[2, 1].lines[1:]  # what one model has beyond the other stands alone, in that one's look
    np.testing.assert_allclose(line.get_ydata(), b.normalized().factors[1][:, alone])
    assert (line.get_linestyle(), axes[2, 1].get_title(loc="right")) == ("--", "")
    assert plots.plot_comparison(b, a)[2, 0].get_ylabel() == f"{alone + 1} and –"
    assert axes[1, 2].get_title(loc="right") == f"{matches.cosines[1, 2]:.3f}".replace("-", "−")


@pytest.mark.parametrize(("ranks", "labels"), [((1, 1), [None, None, STATIONS[:20]]), ((3, 5), None)])
def test_a_comparison_is_readable(ranks, labels):
    models = [make_model((5, 30, 20), rank, seed, LABELS) for seed, rank in enumerate(ranks)]
    axes = plots.plot_comparison(*models, labels=labels)
    assert axes[-1, 1].get_xlabel() == "month"
    assert_readable(axes[0, 0].figure)


def make_core(rank, spread, order=3):
    core = spread * np.random.default_rng(0).normal(size=(rank,) * order)
    core[(np.arange(rank),) * order] += 1
    return core


def test_core_elements_are_drawn_against_a_perfect_core():
    core = np.zeros((3, 3, 3))
    core[0, 0, 0], core[1, 1, 1], core[2, 2, 2] = 1.0, 0.5, 1.0
    core[0, 1, 2], core[2, 1, 0] = -2.0, 0.5
    ax = plot_core_elements(core)
    assert drawn(ax, "perfect").get_ydata().tolist() == [1.0] * 3 + [0.0] * 24
    assert drawn(ax, "superdiagonal").get_ydata().tolist() == [1.0, 0.5, 1.0]
    assert drawn(ax, "others").get_ydata().tolist() == [-2.0, 0.5] + [0.0] * 22
    assert (ax.get_xlabel(), ax.get_yscale()) == ("core consistency −50.0 %", "linear")
    assert plot_core_elements(1e3 * core).get_xlabel() == "core consistency below −1000 %"


def test_of_many_elements_the_largest_are_drawn_and_it_says_so():
    core = make_core(6, 0.1, order=4)
    elements = drawn(plot_core_elements(core), "largest 100 of 1290 others").get_ydata()
    assert np.abs(elements).min() >= np.sort(np.abs(core.ravel()))[-107]


@pytest.mark.parametrize(("rank", "spread"), [(1, 0.0), (1, 1e8), (2, 2.0), (7, 0.2), (7, 2.0), (7, 1e3), (7, 1e8)])
def test_core_elements_are_readable_at_every_scale(rank, spread):
    ax = plot_core_elements(make_core(rank, spread))
    values = np.concatenate([line.get_ydata() for line in ax.lines])
    assert ax.get_ylim()[0] < values.min() <= values.max() < ax.get_ylim()[1]
    assert_readable(ax.figure)


def test_influence_names_the_samples_that_stand_out():
    rng = np.random.default_rng(0)
    leverage, residual = 0.02 * rng.random(200), 1 + 0.1 * rng.random(200)
    leverage[17], residual[99] = 0.5, 5.0
    ax = plot_influence((leverage, residual), labels=[f"s{i}" for i in range(200)])
    named = {text.get_text() for text in ax.texts}
    assert {"s17", "s99"} < named
    assert len(named) == 3
    assert len(drawn(ax, "samples").get_xdata()) == 200
    assert drawn(ax, "3 times the mean leverage").get_xdata()[0] == pytest.approx(3 * leverage.mean())


def test_few_samples_are_all_named_by_labels_or_numbers_on_given_axes_or_ours():
    influence, names = ([0.79, 0.87, 0.83, 0.17, 0.34], [3.9, 3.9, 5.4, 5.7, 5.1]), load_amino_acids().samples
    ax = plot_influence(influence, labels=names)
    assert [text.get_text() for text in ax.texts] == list(names)
    assert_readable(ax.figure)
    _, given = plt.subplots()
    assert plot_influence(influence, ax=given) is given
    assert [text.get_text() for text in given.texts] == list("01234")


@pytest.mark.parametrize(
    ("leverage", "residual"),
    [
        ([0.1, 0.9, 1.0], [0.0, 0.0, 0.0]),
        ([0.1, 0.9, 1.0], [1e-9, 1e6, 3.0]),
        (0.2 + 0.001 * np.random.default_rng(0).random(12), np.ones(12)),  # one crowd
    ],
)
def test_names_of_samples_cover_nothing_wherever_these_are(leverage, residual):
    ax = plot_influence((leverage, residual))
    assert_readable(ax.figure)
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert len(boxes) == len(leverage)
    assert all(ax.bbox.contains(*corner) for box in boxes for corner in box.corners())
    places = ax.transData.transform(np.column_stack([leverage, residual]))
    assert not any(box.contains(*place) for box in boxes for place in places)
    (alone,) = plot_influence(([0.5], [2.0])).texts
    assert alone.get_position() == pytest.approx((0, 12))


HALF_A_PAGE = {
    "core": (lambda ax: plot_core_elements(make_core(4, 2.0), ax), "dark_background"),
    "huge core": (lambda ax: plot_core_elements(make_core(6, 100.0, order=4), ax), "default"),
    "influence": (lambda ax: plot_influence((np.geomspace(0.01, 1, 40), np.geomspace(9, 1, 40)), ax=ax), "classic"),
    "heat map": (lambda ax: plot_mode(make_model((5, 30, 6), 9, labels=LABELS), "month", ax=ax), "dark_background"),
    "six lines": (lambda ax: plot_mode(make_model((5, 30, 6), 6), 1, ax=ax), "default"),
}


@pytest.mark.parametrize(("draw", "style"), HALF_A_PAGE.values(), ids=HALF_A_PAGE)
def test_half_a_page_wide_pictures_are_readable_too(draw, style):
    with plt.style.context(style):
        ax = plt.figure(figsize=(3.5, 2.8), layout="constrained").add_subplot()
        assert draw(ax) is ax
        assert_readable(ax.figure)


@pytest.mark.parametrize("style", ["dark_background", "classic"])
def test_whole_pages_follow_the_style_sheet(style):
    with plt.style.context(style):
        a, b = make_model((6, 7, 20), 2), make_model((6, 7, 20), 2, seed=1)
        assert_readable(plots.plot_comparison(a, b)[0, 0].figure)
        assert_readable(plot_components(a, draw=[None, None, heat_map])[0].figure)
