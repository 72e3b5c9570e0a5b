"""Adapters: industry files to wells, seismic and tables."""
