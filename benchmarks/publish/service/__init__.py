"""The released model over HTTP: bytes of pictures in, faces with expressions out; nothing of them is kept."""
