"""Libraries on six verbs: the ideas of Ray's own, small."""
