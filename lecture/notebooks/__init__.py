"""The assignment as notebooks, in a form that diffs well."""
