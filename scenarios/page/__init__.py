"""The report page: one self-contained HTML file over a certificate, a sweep, results or a run."""
