"""Training: the loop, what it is made of, and the ways of averaging several trainings."""
