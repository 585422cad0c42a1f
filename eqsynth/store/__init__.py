"""Files and entries on disk: one way to read, one way to write, one lock."""
