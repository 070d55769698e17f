"""Drawings service: from a sheet to dimensions, tolerance frames and the title block."""
