"""What training runs on: TensorFlow, PyTorch or JAX under Keras, on one device or many."""
