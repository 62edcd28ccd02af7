"""What comes next, and how good was it: networks, tasks, training, forecasters and scores."""
