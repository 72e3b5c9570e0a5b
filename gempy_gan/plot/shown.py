"""The figure that a notebook shows."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure that belongs to no window and needs no closing; a notebook shows it where it is a cell's last expression.

    Jupyter shows other figures only once `matplotlib.pyplot` was imported, of which pictures here have no need.
    """

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", metadata={"Software": None})
        return content.getvalue()
