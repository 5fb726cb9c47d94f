"""Declare the options of a run, merge them from several sources, and check that the parts fit. Imports no torch."""
