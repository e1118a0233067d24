"""Embeds the one face of each picture with OpenCV's FaceDetectorYN and FaceRecognizerSF.

usage: opencv_embed.py MODEL_FOLDER PICTURE...     prints a JSON array of arrays of 128 numbers
"""
import json
import sys

import cv2

# The long side that E-Cert detects at (wallet-core/src/onnx/detector.rs).
DETECTION_SIDE = 320


def embed(detector, recogniser, picture):
    height, width = picture.shape[:2]
    scale = min(1.0, DETECTION_SIDE / max(height, width))
    small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_LINEAR)
    detector.setInputSize((small.shape[1], small.shape[0]))
    _, faces = detector.detect(small)
    assert faces is not None and len(faces) == 1, "expected one face"
    face = faces[0].copy()
    face[0:14:2] *= width / small.shape[1]
    face[1:14:2] *= height / small.shape[0]
    return recogniser.feature(recogniser.alignCrop(picture, face))[0].tolist()


def main():
    folder, pictures = sys.argv[1], sys.argv[2:]
    detector = cv2.FaceDetectorYN.create(f"{folder}/face-detector.original.onnx", "", (320, 320), 0.6, 0.3)
    recogniser = cv2.FaceRecognizerSF.create(f"{folder}/face-embedder.original.onnx", "")
    print(json.dumps([embed(detector, recogniser, cv2.imread(picture)) for picture in pictures]))


if __name__ == "__main__":
    main()
