"""Runs on disk: the folders and checkpoints of runs, and the results of trained runs."""
