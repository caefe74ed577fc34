"""The catalogue: every sentence people read, by language; money and dates by locale."""
