"""The host: its controller and cable, a pyusb backend on it, and programs' view of time."""
