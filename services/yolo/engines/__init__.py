"""What runs the forward pass: ONNX Runtime, OpenVINO or torch, behind one small protocol."""
