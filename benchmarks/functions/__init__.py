"""Functions on Lambda: how soon they start, and how much one of them gets through."""
