"""Training of classifiers for inspection: losses, batches, schedules, augmentation, and what follows a fit."""
