"""Benchmarks: ratios measured side by side in one run, printed and kept in build/bench.json."""
