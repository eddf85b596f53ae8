"""What test files share, beside the fixtures of conftest.py."""
