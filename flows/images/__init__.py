"""What all image benchmarks share: runs of a recipe, and what a page tells of them."""
