"""The options of a run: declaration, layers, files, and the check that the chosen parts fit together. No torch."""
