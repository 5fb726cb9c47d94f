"""sampler:occupancy, which marches rays through an occupancy grid."""
