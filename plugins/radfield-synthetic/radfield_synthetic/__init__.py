"""An analytic scene, in `surface`, `materials`, `shading`, `tracing`, `views`, `orbit` and `mesh`; `dataset` reads it."""
