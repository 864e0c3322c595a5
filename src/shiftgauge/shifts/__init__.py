"""A point of the space → a batch of transformed images."""
