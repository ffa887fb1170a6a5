"""What people run: scenarios, incidents, their judge, and the command line."""
