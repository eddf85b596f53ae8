"""The model zoo: members (architecture + recipe + initialisation), their training and their inference."""
