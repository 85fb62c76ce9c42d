"""Pictures of results: a table or a model in, matplotlib Axes out.

The ``plot_...`` functions draw what is in a table, a choice or a model; nothing here computes a score, and nothing
calls ``pyplot.show``. Colours, fonts and sizes are those of the user's style sheet; what must be told apart differs in
marker, line style or hatch too, so a grey print loses nothing but the sign in a
heat map.
"""

from autoten.plots.common import as_png as as_png
from autoten.plots.common import writable_formats as writable_formats
from autoten.plots.components import plot_comparison as plot_comparison
from autoten.plots.components import plot_components as plot_components
from autoten.plots.components import plot_mode as plot_mode
from autoten.plots.components import plot_top as plot_top
from autoten.plots.diagnostics import plot_core_elements as plot_core_elements
from autoten.plots.diagnostics import plot_influence as plot_influence
from autoten.plots.diagnostics import plot_landscape as plot_landscape
from autoten.plots.modes import ComponentStyle as ComponentStyle
from autoten.plots.modes import bars as bars
from autoten.plots.modes import component_styles as component_styles
from autoten.plots.modes import heat_map as heat_map
from autoten.plots.modes import lines as lines
from autoten.plots.modes import points as points
from autoten.plots.modes import top_bars as top_bars
from autoten.plots.overview import plot_core_consistency as plot_core_consistency
from autoten.plots.overview import plot_fit as plot_fit
from autoten.plots.overview import plot_front as plot_front
from autoten.plots.overview import plot_heldout as plot_heldout
from autoten.plots.overview import plot_leftover as plot_leftover
from autoten.plots.overview import plot_overview as plot_overview
from autoten.plots.overview import plot_stability as plot_stability
