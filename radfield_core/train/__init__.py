"""How a scene becomes a trained model."""
