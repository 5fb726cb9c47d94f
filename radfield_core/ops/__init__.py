"""Pure maths on tensors: segments of flat samples, volume rendering, step functions, frustums, derivatives."""
