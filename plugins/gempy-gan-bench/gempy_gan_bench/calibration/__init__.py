"""Calibration: whether draws of a posterior lie around known truths as often as they claim to."""
