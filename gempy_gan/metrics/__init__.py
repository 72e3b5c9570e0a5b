"""Generated volumes beside real ones: every figure stands beside what real volumes show against each other.

`validate` is the entry point; each family of figures has a module of its own whose functions also serve alone.

No figure is enough by itself. What 100 volumes of 64 x 64 x 16 cells of meandering deposits, spoilt in one way each, show against
100 real ones, as multiples of the floor or of the real value (* misses its target):

    figure               real   blurred  thresholded  layers    one volume  Gaussian,      middling
                                (1 cell)              shuffled  repeated    same spectrum  ones only
    histogram            1.1    2.6*     6.9*         1.1       20*         1.1            1.8
    net_to_gross_spread  1.0    1.0      1.0          1.0       0.0*        1.0            0.4*
    variogram            0.7    8.2*     1.5          3.2*      20*         1.9            2.2
    indicator_variogram  0.7    1.5      0.7          3.1*      24*         2.6*           4.0*
    connectivity         1.0    1.0      1.0          4.5*      19*         3.6*           1.0
    layer_connectivity   0.7    4.9*     0.7          0.7       13*         2.3            0.8
    patterns_2x2x2       1.0    3.7*     1.0          11*       18*         6.1*           1.6
    ms_swd               0.7    1.0      0.8          5.3*      6.4*        1.5*           1.1
    ms_swd_contrast      0.8    2.0*     1.2          16*       12*         1.9*           1.3
    body_count           0.7    0.1*     0.7          1.5       1.6         3.2*           0.8
    width                1.1    1.3*     1.1          1.1       0.4*        0.6*           1.1
    diversity            1.0    0.9*     1.0          1.0       0.1*        1.0            1.0
    superposition        1.0    1.0      1.0          0.5*      1.0         1.0            1.0

MS-SWD is blind to contrast by its definition, and the variogram to everything that a Gaussian field can have.
"""

from gempy_gan.metrics.comparison import FAMILIES, validate
from gempy_gan.metrics.control import label_control, label_response
from gempy_gan.metrics.descriptors import descriptors
from gempy_gan.metrics.lookup import Lookup, lookup
from gempy_gan.metrics.memorization import Memorization, memorization
from gempy_gan.metrics.rings import ring_error
from gempy_gan.metrics.similarity import Similarity, similarity
from gempy_gan.metrics.swd import ms_swd
from gempy_gan.metrics.validation import Figure, Validation
from gempy_gan.metrics.volumes import COARSE, Volumes

__all__ = [
    "COARSE",
    "FAMILIES",
    "Figure",
    "Lookup",
    "Memorization",
    "Similarity",
    "Validation",
    "Volumes",
    "descriptors",
    "label_control",
    "label_response",
    "lookup",
    "memorization",
    "ms_swd",
    "ring_error",
    "similarity",
    "validate",
]
