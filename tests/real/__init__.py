"""The driver on the real libusb: its fake usbfs is answered by a world."""
