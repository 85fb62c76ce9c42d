"""How many amino acids are in five mixtures? The main job on the tensor that ships with the package.

It prints the report and draws the picture that README.md shows.
"""

from pathlib import Path

import autoten

data = autoten.datasets.load_amino_acids()
print(data.description, "\n")
estimate = autoten.estimate_rank(data.X, ranks=range(1, 7), random_state=0, progress=True)
print(estimate.report())

picture = Path(__file__).with_name("amino_acids_overview.png")
estimate.plot(picture)
print(f"\nThe overview picture is in {picture}")
