"""Pictures of results: a table or a model in, matplotlib Axes out.

Every picture has two steps: results are reduced to the numbers that will be drawn (`overview_data` for a table), and
the ``plot_...`` functions put them on Axes. Nothing here computes a score, and nothing calls ``pyplot.show``. Colours,
fonts and sizes are those of the user's style sheet; what must be told apart differs in marker, line style or hatch
too, so a grey print loses nothing.
"""

from autoten.plots.common import as_png, writable_formats
from autoten.plots.comparison import plot_comparison
from autoten.plots.components import (
    ComponentStyle,
    bars,
    component_styles,
    heat_map,
    lines,
    plot_components,
    plot_mode,
    points,
)
from autoten.plots.core import CoreData, core_data, plot_core_elements
from autoten.plots.overview import (
    plot_core_consistency,
    plot_fit,
    plot_front,
    plot_heldout,
    plot_leftover,
    plot_overview,
    plot_stability,
)
from autoten.plots.placing import places_beside
from autoten.plots.reduction import ErrorAxis, OverviewData, error_axis, overview_data
from autoten.plots.samples import plot_influence

__all__ = [
    "ComponentStyle",
    "CoreData",
    "ErrorAxis",
    "OverviewData",
    "as_png",
    "bars",
    "component_styles",
    "core_data",
    "error_axis",
    "heat_map",
    "lines",
    "overview_data",
    "places_beside",
    "plot_comparison",
    "plot_components",
    "plot_core_consistency",
    "plot_core_elements",
    "plot_fit",
    "plot_front",
    "plot_heldout",
    "plot_influence",
    "plot_leftover",
    "plot_mode",
    "plot_overview",
    "plot_stability",
    "points",
    "writable_formats",
]
