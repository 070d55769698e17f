"""Makes, checks and holds `demo-ocr-ko`, a small recogniser of Korean, Latin and drawing signs."""
