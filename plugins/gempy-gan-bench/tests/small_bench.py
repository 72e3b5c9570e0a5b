"""The fluvial protocol on boxes of 8 x 8 x 4 cells, and a contender with an exact prior."""

from gempy_gan_bench.contenders import Contender
from gempy_gan_bench.protocol import Protocol

TINY = Protocol((8, 8, 4), (24, 24), n=4, wells=(2, 3, 5), held_out=3, real=6)
GAUSSIAN = {"mean": 0.4, "std": 0.3, "ranges": [600, 600, 8]}


def contender(strategy, label="", **options):
    return Contender("gaussian", strategy, GAUSSIAN, options, label or strategy)
