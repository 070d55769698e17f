"""Engines of the OCR service: the same two kinds, detector and recogniser, on two libraries."""
