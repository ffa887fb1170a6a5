"""The world: a simulated host, cable, RX888mk2 board and FX3 firmware in virtual time."""
