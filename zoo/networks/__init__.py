"""One file a network; each registers its members and is found by its place in this folder."""
