"""How many amino acids are in five mixtures? The main job on the tensor that ships with the package."""

from pathlib import Path

import autoten

data = autoten.datasets.load_amino_acids()
print(data.description, "\n")
estimate = autoten.estimate_rank(data.X, ranks=range(1, 7), random_state=0, progress=True)
print(estimate.report())

picture = Path("amino_acids_overview.png").resolve()
estimate.plot()["fit"].figure.savefig(picture, dpi=200)
print(f"\nThe overview picture is in {picture}")
