"""OpenCV's side of every comparison: FaceDetectorYN and FaceRecognizerSF, on one thread.

usage: opencv.py embed MODEL_FOLDER PICTURE...     reads a JSON array from stdin: of each picture the five points to
            align by, [x, y] each; prints a JSON array: of each the box it finds, [x, y, width, height], and the 128 numbers
       opencv.py bench MODEL_FOLDER PICTURE...     reads the pictures (PNG, with a JPEG of the same name beside each), prints a JSON line with OpenCV's version, then
            answers each line on stdin, [the place of a picture counted from 0, five points], with a JSON line: [CPU, wall]
            nanoseconds of each stage (of the JPEG only that it is decoded), and the 128 numbers; the first picture asked for is what all are matched with
"""
import json
import sys
import time

import cv2
import numpy

# A usual one; at the size of the sample frames it would take six times as long.
DETECTION_SIDE = 320


class Peer:
    """Both models, and what the stages of the last picture took."""

    def __init__(self, folder):
        self.detector = cv2.FaceDetectorYN.create(f"{folder}/face-detector.original.onnx", "", (320, 320), 0.6, 0.3)
        self.recogniser = cv2.FaceRecognizerSF.create(f"{folder}/face-embedder.original.onnx", "")
        self.costs = {}

    def embed(self, picture, points):
        face = self.timed("detect", self.detect, picture)
        # Only these are looked at by alignCrop. In place of the detector's, since both sides shall embed the same crop.
        face[4:14] = [number for point in points for number in point]
        aligned = self.timed("align", self.recogniser.alignCrop, picture, face)
        # A copy, because the array may be the model's own output buffer, which the next picture overwrites.
        return face[:4], self.timed("embed", self.recogniser.feature, aligned).copy()

    def match(self, feature, reference):
        cosine = cv2.FaceRecognizerSF_FR_COSINE
        return self.timed("match", self.recogniser.match, feature, reference, cosine)

    def detect(self, picture):
        height, width = picture.shape[:2]
        scale = min(1.0, DETECTION_SIDE / max(height, width))
        small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_LINEAR)
        self.detector.setInputSize((small.shape[1], small.shape[0]))
        _, faces = self.detector.detect(small)
        assert faces is not None and len(faces) == 1, "expected one face"
        face = faces[0].copy()
        face[0:14:2] *= width / small.shape[1]
        face[1:14:2] *= height / small.shape[0]
        return face

    def timed(self, stage, work, *arguments):
        # CPU time of the process with all its threads, as on our side.
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        result = work(*arguments)
        wall_end, cpu_end = time.perf_counter_ns(), time.process_time_ns()
        self.costs[stage] = [cpu_end - cpu, wall_end - wall]
        return result


def bench(peer, pictures, jpegs):
    print(json.dumps({"version": cv2.__version__}), flush=True)
    reference = None
    for line in sys.stdin:
        index, points = json.loads(line)
        peer.timed("decode", cv2.imdecode, jpegs[index], cv2.IMREAD_COLOR)
        _, feature = peer.embed(pictures[index], points)
        if reference is None:
            reference = feature
        peer.match(feature, reference)
        print(json.dumps({"costs": peer.costs, "feature": feature[0].tolist()}), flush=True)


def main():
    command, folder, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    cv2.setNumThreads(1)
    peer = Peer(folder)
    pictures = [cv2.imread(file) for file in files]
    if command == "embed":
        observed = [peer.embed(picture, points) for picture, points in zip(pictures, json.load(sys.stdin), strict=True)]
        print(json.dumps([{"box": box.tolist(), "feature": feature[0].tolist()} for box, feature in observed]))
    elif command == "bench":
        bench(peer, pictures, [numpy.fromfile(file.removesuffix("png") + "jpg", numpy.uint8) for file in files])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
