"""Tolerance prediction: flatness, cylindricity and position that a process holds, in mm."""
