"""Strategies: one way to sample a posterior per file."""
