"""Speech to text with Whisper models, behind OpenAI's transcription API."""
