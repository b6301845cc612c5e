"""Scores of models, through the engine."""
