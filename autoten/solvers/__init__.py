"""Solvers: from a tensor and a start to a fitted model."""
