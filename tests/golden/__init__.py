"""Golden traces of the flagship runs: one line an event, written anew by ``make golden``."""
