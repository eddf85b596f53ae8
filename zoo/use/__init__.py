"""The released model on pictures: faces and their expressions. It needs numpy, Pillow and onnxruntime alone."""
