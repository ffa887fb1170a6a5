"""Results for other programs: JUnit XML, TAP and JSON."""
