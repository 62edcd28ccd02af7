"""How good was it? Scores as functions of sums, and the tally that keeps the sums."""
