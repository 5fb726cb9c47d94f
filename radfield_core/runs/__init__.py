"""Runs on disk: their folders and checkpoints, and results of trained runs."""
