"""The report of an ensemble: one page of HTML that holds everything it shows."""

from gempy_gan.report.card import card_of
from gempy_gan.report.page import write_report

__all__ = ["card_of", "write_report"]
