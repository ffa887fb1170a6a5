"""Cellular modules on serial ports: discovery, AT queries, the Python prompt, their files."""
