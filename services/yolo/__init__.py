"""Object detection, segmentation, pose, oriented boxes and classification with YOLO models."""
