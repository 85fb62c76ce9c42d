"""Names of types that stand in many signatures."""

from typing import Any

from numpy.typing import NDArray

# Numbers of any real type.
Array = NDArray[Any]
