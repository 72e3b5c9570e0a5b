"""The view of an ensemble: one interactive page of HTML, with its cells in their true places."""

from gempy_gan.view.page import write_view

__all__ = ["write_view"]
