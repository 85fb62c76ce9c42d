"""Before a fit: offsets, units, scattered and absorbed light, empty slabs. Each function returns `Preprocessed`."""

from autoten.door import Preprocessed as Preprocessed
from autoten.preprocess.light import correct_inner_filter as correct_inner_filter
from autoten.preprocess.light import interpolate_scatter as interpolate_scatter
from autoten.preprocess.light import mask_scatter as mask_scatter
from autoten.preprocess.steps import center as center
from autoten.preprocess.steps import drop_empty_slabs as drop_empty_slabs
from autoten.preprocess.steps import scale as scale
