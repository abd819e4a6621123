"""The method `impactree-1`: every token class counts, and every figure says how sure it is."""
