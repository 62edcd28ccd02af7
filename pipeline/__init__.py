"""What did the radar see? Everything that knows a file format, in dBZ with NaN for missing."""
