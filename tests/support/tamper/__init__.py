"""Changes of a data directory by somebody who knows its format, and whether they are found."""
