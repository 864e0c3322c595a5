"""The blocks of the page, one a module; each has `build(result, quantities)` that returns what its template shows."""
