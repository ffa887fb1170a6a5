"""The FX3 chip: hardware alone, without the SDK and the firmware that drive it."""
