"""Formats: ensembles to and from geomodel files."""
