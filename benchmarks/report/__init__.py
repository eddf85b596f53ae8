"""Reports: results in, text, tables, figures and pages out. Nothing here computes a score."""
