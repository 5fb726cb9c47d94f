"""A viewer in the browser for models of radfield."""
