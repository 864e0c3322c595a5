"""From values at the points of a design to indices with intervals: numbers only, no model."""
