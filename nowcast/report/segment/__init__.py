"""The page of a segmentation."""
