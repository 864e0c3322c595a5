"""A convolutional network without automatic differentiation: every gradient is written out, in tensor operations.

To follow one image through it, read `layer.py`, `workspace.py`, `linear.py`, `activations.py`, `pooling.py`, then
`windows.py`, `convolution.py` and `shifted.py`, then `sequential.py` and `network.py`.
"""
