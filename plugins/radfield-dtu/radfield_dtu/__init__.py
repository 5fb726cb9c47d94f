"""DTU and BlendedMVS scenes in the layout of IDR and NeuS."""
