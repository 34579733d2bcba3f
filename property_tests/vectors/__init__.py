"""Test vectors for other languages: inputs, exact answers, and the answers of known bugs."""
