"""Priors: one distribution over geology per file."""
