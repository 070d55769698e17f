"""How the shipped model `demo-speech-en` is made: corpus, training, export and measurement."""
