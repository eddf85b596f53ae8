"""Training: the loop, its parts (augmentation, losses, optimizers, schedules), and averages of several trainings."""
