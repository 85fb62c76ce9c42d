"""Draw the pictures of the README and of its gallery anew: `python examples/gallery.py`."""

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

import matplotlib.pyplot as plt

from autoten import KL, CPModel, core_elements, datasets, estimate_rank, fit_parafac, plots, sample_influence
from autoten.labels import Labels

HERE = Path(__file__).parent
HALF = (3.6, 2.9)  # inches: two beside one another on a page


def save(figure, name):
    figure.savefig(HERE / f"gallery_{name}.png", dpi=120)
    plt.close(figure)


def new_axes():
    return plt.figure(figsize=HALF, layout="constrained").add_subplot()


# Three amino acids in five samples, with the names of their modes.
data = datasets.load_amino_acids()
estimate_rank(data.X, range(1, 7), random_state=0).plot(HERE / "amino_acids_overview.png")
modes = Labels(
    ("sample", "emission (nm)", "excitation (nm)"), (np.array(data.samples), data.emission_nm, data.excitation_nm)
)
three, four = (fit_parafac(data.X, rank, random_state=0).model.labelled(modes) for rank in (3, 4))
save(plots.plot_components(three)[0].figure, "components")
for name, model in (("core_at_3", three), ("core_at_4", four)):
    save(plots.plot_core_elements(core_elements(data.X, model), new_axes()).figure, name)

# A fourth has nothing to describe: it shares what belongs to another, or noise.
save(plots.plot_comparison(three, four, names=("three components", "four"))[0, 0].figure, "comparison")

# What is sold where and when: a summer, a winter, and what people take on the way to work.
products = """ice cream|lemonade|sun cream|charcoal|watermelon|frozen yoghurt|insect spray|iced tea|tea|soup|cough drops
gloves|candles|oranges|gingerbread|cocoa|coffee|croissant|newspaper|sandwich|fruit salad|water|chewing gum|umbrella
bread|milk|eggs|rice|pasta|soap""".replace("\n", "|").split("|")
shops = """Beach Road|Lido|Camping|Lakeside|Old Mill|High Street|Church Square|Hill Lane|Market Hall|Station|Airport
University|Bus Terminal|Hospital""".replace("\n", "|").split("|")
rng = np.random.default_rng(3)
sold = [rng.gamma(0.6, 0.06, size=(length, 3)) for length in (len(products), len(shops))]
sold[0][:8, 0] += np.geomspace(1.0, 0.3, 8)
sold[0][8:16, 1] += np.geomspace(1.0, 0.3, 8)
sold[0][16:24, 2] += np.geomspace(1.0, 0.3, 8)
sold[1][:4, 0] += np.geomspace(1.0, 0.5, 4)
sold[1][3:9, 1] += np.geomspace(1.0, 0.6, 6)
sold[1][9:, 2] += np.geomspace(1.0, 0.4, 5)
weeks = np.arange("2024-01-01", "2024-12-30", 7, dtype="datetime64[D]")
year = np.cos(2 * np.pi * (np.arange(len(weeks)) - 29) / len(weeks))
season = np.column_stack(
    [np.exp(2 * year), np.exp(-1.2 * year), 2.5 - 1.2 * np.exp(-((np.arange(len(weeks)) - 31) ** 2) / 12)]
)
counts = rng.poisson(20 * np.einsum("ir,jr,kr->ijk", *sold, season))
named = Labels(("product", "shop", "week"), (np.array(products), np.array(shops), weeks))
save(plots.plot_top(fit_parafac(counts, 3, solver=KL(), random_state=0).model.labelled(named), 8)[0, 0].figure, "top")

# Eight components over fifty weeks: too many for lines.
weeks = weeks[:50]
season = np.sin(np.linspace(0, 2 * np.pi, len(weeks))[:, None] * np.arange(1, 9) / 2 + np.arange(8))
named = Labels(("person", "week", "place"), (None, weeks, None))
many = CPModel(np.arange(8.0, 0.0, -1), [rng.random((6, 8)), season, rng.random((5, 8))], named)
save(plots.plot_mode(many, "week", ax=new_axes()).figure, "heat_map")

# Four components under as much noise as signal: they come back from every fold, a fifth does not.
draw = datasets.make_cp_tensor((20, 21, 22), 4, noise=datasets.white_noise(0), random_state=2)
estimate = estimate_rank(draw.X, range(1, 8), random_state=0)
save(plots.plot_stability(estimate.table, estimate.choice, new_axes()).figure, "stability")
save(plots.plot_front(estimate.table, estimate.choice, new_axes()).figure, "front")

# Forty samples: one that the model does not describe, one that has a component almost to itself.
factors = [rng.gamma(2.0, size=(length, 3)) for length in (40, 12, 15)]
factors[0][[5, 23], [0, 1]] = 12.0, 14.0
X = np.einsum("ir,jr,kr->ijk", *factors) + rng.standard_normal((40, 12, 15))
X[31] += 6 * rng.standard_normal((12, 15))
influence = sample_influence(X, fit_parafac(X, 3, random_state=0).model)
save(plots.plot_influence(influence, ax=new_axes()).figure, "influence")
