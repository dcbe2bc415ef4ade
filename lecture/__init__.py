"""What a lecturer and a course need: notebooks, and what checks them."""
