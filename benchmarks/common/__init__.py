"""What benchmarks share: timing, tables, pictures, options."""
