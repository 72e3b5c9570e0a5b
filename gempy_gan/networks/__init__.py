"""Torch modules of learned priors, one family per file."""
