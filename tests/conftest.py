"""What every test shares: where the real tensors are, and the count of tests that read them."""

import os
import sys

import numpy as np
import pytest
from hypothesis import settings
from real import data_folder

os.environ.setdefault("MPLBACKEND", "Agg")

# The first example compiles kernels, so no deadline; in CI the same examples every time, so a red run can be repeated.
settings.register_profile("autoten", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("autoten")

ABSENT = "real data absent"


def real_data(name):
    """Return the arrays of `name`.npz as a dict; skip the test, with the reason, where the file is absent."""
    folder = data_folder()
    if folder is None or not (folder / f"{name}.npz").is_file():
        pytest.skip(f"{ABSENT}: no {name}.npz in {folder or '$AUTOTEN_DATA or shared/data'}")
    with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(name="real_data")
def _real_data():
    """Give a test the loader; a test that asks for it is marked `realdata` by itself."""
    return real_data


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    """Close what a test has drawn: another one may count the figures that are open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def pytest_collection_modifyitems(items):
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker("realdata")


def pytest_terminal_summary(terminalreporter):
    """Print the line that .ci/run reads: where the data folder exists, none of these may have been skipped."""
    ran, skipped = set(), set()
    for category in ("passed", "failed", "error", "skipped", "xfailed", "xpassed"):
        for report in terminalreporter.stats.get(category, []):
            absent = category == "skipped" and ABSENT in str(report.longrepr)
            if "realdata" in getattr(report, "keywords", ()) or absent:
                (skipped if category == "skipped" else ran).add(report.nodeid)
    terminalreporter.write_line(f"real-data tests: {len(ran)} ran, {len(skipped)} skipped")
