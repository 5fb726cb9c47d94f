"""Render a trained model to pictures and videos, and evaluate it with image metrics."""
