"""One file per source of the catalog, each with a `read` that returns what the source holds."""
