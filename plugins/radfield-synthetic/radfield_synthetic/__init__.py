"""An analytic scene: `surface`, `materials`, `shading`, `tracing`, `views`, `orbit`, `mesh`; `dataset` reads it."""
