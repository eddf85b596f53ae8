"""FER2013 in every form in which people have it."""
