"""Generated volumes beside real ones: every figure stands beside what real volumes show against each other.

`validate` is the entry point; each family of figures has a module of its own whose functions also serve alone.
"""

from gempy_gan.metrics.comparison import FAMILIES, validate
from gempy_gan.metrics.control import label_control
from gempy_gan.metrics.descriptors import descriptors
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
    "Memorization",
    "Similarity",
    "Validation",
    "Volumes",
    "descriptors",
    "label_control",
    "memorization",
    "ms_swd",
    "ring_error",
    "similarity",
    "validate",
]
