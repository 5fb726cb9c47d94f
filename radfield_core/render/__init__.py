"""From a trained model to pictures, videos and metrics."""
