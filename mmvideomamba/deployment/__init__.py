"""A trained recognizer for programs without mmaction2, or without torch."""
