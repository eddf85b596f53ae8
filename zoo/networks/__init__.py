"""One file for each network; a file in this folder is found without being listed, and registers its members."""
