"""Pictures of ensembles, wells and seismic: one function per picture, each returning a matplotlib Figure.

Functions that draw a single panel take `ax=` to draw into an axes of yours; they return that axes' figure. Colours can be
told apart by colour-blind readers; positions are metres, heights point up, and sections state their exaggeration.
"""

from gempy_gan.plot.beside import curves, neighbours, samples
from gempy_gan.plot.fit import misfit
from gempy_gan.plot.logs import log_comparison
from gempy_gan.plot.maps import fence, plan, probability, section
from gempy_gan.plot.pages import pictures, save, summary
from gempy_gan.plot.signals import wavelet, well_tie

__all__ = [
    "curves",
    "fence",
    "log_comparison",
    "misfit",
    "neighbours",
    "pictures",
    "plan",
    "probability",
    "samples",
    "save",
    "section",
    "summary",
    "wavelet",
    "well_tie",
]
