"""Surfaces from pictures: NeuS, as published and fast."""
