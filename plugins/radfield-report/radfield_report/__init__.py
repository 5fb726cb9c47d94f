"""Reports on runs: one HTML file each, which needs nothing else."""
