"""NeuS, surfaces from images: as published, and a fast version on a hash grid."""
