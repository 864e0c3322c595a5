"""Results turned into pages, figures and tables; computes nothing new and reads no model."""
