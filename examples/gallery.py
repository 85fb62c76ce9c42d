"""Draw the pictures of the README's gallery anew: `python examples/gallery.py`."""

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

import matplotlib.pyplot as plt

from autoten import CPModel, core_elements, datasets, estimate_rank, fit_parafac, plots, sample_influence
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
modes = Labels(
    ("sample", "emission (nm)", "excitation (nm)"), (np.array(data.samples), data.emission_nm, data.excitation_nm)
)
three, four = (fit_parafac(data.X, rank, random_state=0).model.labelled(modes) for rank in (3, 4))
save(plots.plot_components(three)[0].figure, "components")
for name, model in (("core_at_3", three), ("core_at_4", four)):
    save(plots.plot_core_elements(core_elements(data.X, model), new_axes()).figure, name)

# The same from a third of the cells, with noise: what is still found?
rng = np.random.default_rng(0)
poor = np.where(rng.random(data.X.shape) < 2 / 3, np.nan, data.X + 60 * rng.standard_normal(data.X.shape))
again = fit_parafac(poor, 3, random_state=0).model
save(plots.plot_comparison(three, again, names=("all cells", "a third of them, and noise"))[0, 0].figure, "comparison")

# Eight components over fifty weeks: too many for lines.
weeks = np.arange("2024-01-01", "2024-12-16", 7, dtype="datetime64[D]")
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
