"""Rendering of a trained model to pictures and videos, and evaluation with image metrics."""
