"""A run on disk: its folder, checkpoints, results, and everything opened from it."""
