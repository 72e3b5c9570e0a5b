"""Pictures of ensembles, wells and seismic: one function per picture, each returning a matplotlib Figure.

Functions that draw a single panel take `ax=` to draw into an axes of yours; they return that axes' figure. Colours can be
told apart by colour-blind readers; positions are metres, heights point up, and sections state their exaggeration.
"""

from gempy_gan.plot.beside import curves, neighbours, samples
from gempy_gan.plot.copies import copies
from gempy_gan.plot.fit import misfit, seismic
from gempy_gan.plot.logs import log_comparison
from gempy_gan.plot.maps import fence, plan, probability, section
from gempy_gan.plot.pages import pictures, save, summary
from gempy_gan.plot.ranks import rank_histogram
from gempy_gan.plot.signals import wavelet, well_tie
from gempy_gan.plot.survey import survey_map
from gempy_gan.plot.training import latent_walk, training_curves

__all__ = [
    "copies",
    "curves",
    "fence",
    "latent_walk",
    "log_comparison",
    "misfit",
    "neighbours",
    "pictures",
    "plan",
    "probability",
    "rank_histogram",
    "samples",
    "save",
    "section",
    "seismic",
    "summary",
    "survey_map",
    "training_curves",
    "wavelet",
    "well_tie",
]
