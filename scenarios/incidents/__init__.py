"""Failures that really happened, each with the firmware revision that had it."""
