"""Parts for captures that are not perfect: inexact poses, changing exposure, and depths or normals as a constraint."""
