"""Pictures of results: a table or a model in, matplotlib Axes out.

Every picture has two steps: results are reduced to the numbers that will be drawn (`overview_data` for a table), and
the ``plot_...`` functions put them on Axes. Nothing here computes a score, and nothing calls ``pyplot.show``. Colours,
fonts and sizes are those of the user's style sheet; what must be told apart differs in marker, line style or hatch
too, so a grey print loses nothing.
"""

from autoten.plots.components import ComponentStyle, component_styles, plot_components
from autoten.plots.overview import (
    plot_core_consistency,
    plot_fit,
    plot_front,
    plot_heldout,
    plot_overview,
)
from autoten.plots.placing import places_beside
from autoten.plots.reduction import ErrorAxis, OverviewData, error_axis, overview_data

__all__ = [
    "ComponentStyle",
    "ErrorAxis",
    "OverviewData",
    "component_styles",
    "error_axis",
    "overview_data",
    "places_beside",
    "plot_components",
    "plot_core_consistency",
    "plot_fit",
    "plot_front",
    "plot_heldout",
    "plot_overview",
]
