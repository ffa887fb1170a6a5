"""Drivers for the real device: wire facts, trace recorder, USB driver, image upload, guard.

This file imports nothing: a simulator that needs :mod:`hw.protocol` or :mod:`hw.trace` must not
load pyusb with it.
"""
