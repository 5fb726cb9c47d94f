"""Training: from a scene to a trained model."""
