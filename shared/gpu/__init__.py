"""Devices: what there is, what was asked for, what is used and why."""
