"""OCR service: text of pictures and PDF pages with its place, in reading order."""
