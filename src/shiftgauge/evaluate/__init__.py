"""A classifier run over the points of a design: batched, resumable, recorded."""
