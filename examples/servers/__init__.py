"""Parameter servers of 2017, with the verbs alone."""
