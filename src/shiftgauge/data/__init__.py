"""Images, labels and tables as immutable data sets: folders, manifests, arrays."""
