"""Pushes and pulls beside a bare socket."""
