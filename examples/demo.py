"""How many amino acids are in five mixtures? The main job on the tensor that ships with the package.

It prints the report, and writes a picture and a web page into the folder `demo`.
"""

from pathlib import Path

import autoten

data = autoten.datasets.load_amino_acids()
print(data.description, "\n")
names = {"sample": data.samples, "emission": data.emission_nm, "excitation": data.excitation_nm}
X = autoten.labelled(data.X, names)
estimate = autoten.estimate_rank(X, ranks=range(1, 7), random_state=0, progress=True)
print(estimate.report())

folder = Path("demo")
folder.mkdir(exist_ok=True)
estimate.plot(folder / "overview.png")
estimate.to_html(folder / "report.html")
print(f"\nThe overview picture is {folder / 'overview.png'}, the report with all pictures {folder / 'report.html'}.")
