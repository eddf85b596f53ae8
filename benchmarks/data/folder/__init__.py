"""A folder of one's own: class folders, with or without splits and groups."""
