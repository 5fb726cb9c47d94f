"""NeuS, which reconstructs surfaces from images. Provides the published method and a fast version on a hash grid."""
