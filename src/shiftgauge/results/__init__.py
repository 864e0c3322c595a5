"""What every study returns: frozen results that hold arrays, provenance and status."""
