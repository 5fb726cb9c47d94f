"""sampler:occupancy, which marches along rays and skips the empty cells of an occupancy grid."""
