"""Options of a run: declare them, merge them from several sources, and check that the parts fit. Imports no torch."""
