"""What tensors are called: orders, symmetric and alternating ones, spaces with channels, as text and as values."""
