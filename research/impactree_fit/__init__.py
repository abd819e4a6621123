"""The fit of impactree-1: rows in, constants and tables out."""
