"""Published inversion protocols, for any prior and strategy of gempy_gan."""

__version__ = "0.1.0"
