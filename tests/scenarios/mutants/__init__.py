"""Seeded bugs: realistic mistakes in the health module, and the suite that has to see them."""
