"""Decoding of images, audio and PDF in child processes with limits."""
