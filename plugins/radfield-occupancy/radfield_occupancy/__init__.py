"""Occupancy grid and marching: sampler:occupancy."""
