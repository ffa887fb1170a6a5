"""The soak: the original harness's random walk over its scenarios, replayed draw by draw."""
