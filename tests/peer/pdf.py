"""What a statement on paper says to pypdf, which shares no code with what wrote it.

    python pdf.py FILE   prints JSON: pages, title, language, conformance, structure, attachments
"""

import json
import re
import sys

from pypdf import PdfReader


def structure(node, counts, texts):
    """Counts the kinds of structure elements, and collects alternative titles of headings."""
    node = node.get_object()
    if not hasattr(node, "get"):
        return
    kind = node.get("/S")
    if kind is not None:
        counts[kind] = counts.get(kind, 0) + 1
        if kind.startswith("/H") and "/T" in node:
            texts.append(node["/T"])
    children = node.get("/K")
    if children is None:
        return
    children = children.get_object()
    for child in children if isinstance(children, list) else [children]:
        if hasattr(child.get_object(), "get"):
            structure(child, counts, texts)


def main():
    reader = PdfReader(sys.argv[1])
    root = reader.trailer["/Root"]
    metadata = root["/Metadata"].get_object().get_data().decode()
    counts, headings = {}, []
    structure(root["/StructTreeRoot"], counts, headings)
    fonts = set()
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():
            below = font.get_object()["/DescendantFonts"][0].get_object()
            fonts.add(below["/BaseFont"])
            assert any(key in below["/FontDescriptor"] for key in ("/FontFile2", "/FontFile3")), "not embedded"
    part = re.search(r"pdfaid:part>(\d)<", metadata)
    conformance = re.search(r"pdfaid:conformance>(\w)<", metadata)
    accessible = re.search(r"pdfuaid:part>(\d)<", metadata)
    print(json.dumps({
        "pages": [page.extract_text() for page in reader.pages],
        "title": reader.metadata.title,
        "language": root.get("/Lang"),
        "marked": bool(root["/MarkInfo"]["/Marked"]),
        "pdfa": part and part.group(1) + conformance.group(1).lower(),
        "pdfua": accessible and accessible.group(1),
        "structure": counts,
        "headings": headings,
        "outline": [entry.title for entry in reader.outline],
        "fonts": sorted(fonts),
        "attachments": {name: files[0].decode() for name, files in reader.attachments.items()},
    }))


main()
