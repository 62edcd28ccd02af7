"""The program as a service: what runs by itself, on what schedule, and how it is watched."""
