"""The tests, in the layout of the code they test; whole runs are in end_to_end/."""
