"""A radfield plugin: a radiance field of sines (Sitzmann et al. 2020) and a method that trains it."""
