"""The same programs on Ray."""
