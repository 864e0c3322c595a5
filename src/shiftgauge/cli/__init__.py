"""The command line: one file a command, and the schema of the configuration."""
