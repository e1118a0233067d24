"""face_recognition's side of the bench: dlib's detector, landmarks and network as that package uses them.

usage: dlib_peer.py PICTURE...     reads the JPEGs, prints a JSON line with the versions, then answers each line on stdin, the
            place of a picture counted from 0, with a JSON line: [CPU, wall] nanoseconds from the JPEG to the distance
"""
import io
import json
import sys
import time

import dlib
import face_recognition


def main():
    jpegs = []
    for file in sys.argv[1:]:
        with open(file, "rb") as opened:
            jpegs.append(opened.read())
    version = f"{face_recognition.__version__} (dlib {dlib.__version__})"
    print(json.dumps({"version": version}), flush=True)
    reference = None
    for line in sys.stdin:
        jpeg = jpegs[json.loads(line)]
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        picture = face_recognition.load_image_file(io.BytesIO(jpeg))
        encodings = face_recognition.face_encodings(picture)
        assert len(encodings) == 1, "expected one face"
        if reference is None:
            reference = encodings[0]
        face_recognition.face_distance([reference], encodings[0])
        wall_end, cpu_end = time.perf_counter_ns(), time.process_time_ns()
        print(json.dumps({"costs": {"total": [cpu_end - cpu, wall_end - wall]}}), flush=True)


if __name__ == "__main__":
    main()
