"""What a lecture needs: a page that shows any run, notebooks, checks."""
