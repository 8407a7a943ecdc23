#!/usr/bin/env python3
"""Writes samples.h: small pictures of every kind as files, and the RGB bytes that PIL's exif_transpose and convert("RGB") make of them.

Usage: make_samples.py > samples.h   (needs python3-pil)
"""
import io
import random
import struct
import zlib

from PIL import Image, ImageOps

W, H = 11, 7
rng = random.Random(5)


def noise(channels):
    # Smooth enough for JPEG, different in every pixel and channel.
    return bytes((20 * x + 31 * y + 70 * c + rng.randrange(9)) % 256 for y in range(H) for x in range(W) for c in range(channels))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, color, rows, interlace=0):
    header = struct.pack(">IIBBBBB", W, H, depth, color, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows)))
            + chunk(b"IEND", b""))


def adam7(pixels):
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        if x0 < W:
            for y in range(y0, H, dy):
                yield b"".join(pixels[3 * (y * W + x):3 * (y * W + x) + 3] for x in range(x0, W, dx))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation, order, before=0):
    """A TIFF header and one directory, in which other entries stand before the orientation."""
    entries = [(0x0100 + i, 3, 1, 7) for i in range(before)] + [(0x0112, 3, 1, orientation)]
    packed = b"".join(struct.pack(order + "HHIHH", *entry, 0) for entry in entries)
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries)) + packed + bytes(4)


def main():
    rgb = Image.frombytes("RGB", (W, H), noise(3))
    files = {}
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        files["png_" + mode.lower()] = saved(Image.frombytes("RGBA", (W, H), noise(4)).convert(mode), "PNG")
    files["png_palette_transparent"] = saved(rgb.convert("P"), "PNG", transparency=3)
    files["png_palette_4_bits"] = saved(rgb.quantize(9), "PNG", bits=4)
    wide = bytes(rng.randrange(256) for _ in range(W * H * 6))
    files["png_rgb_16_bits"] = png(16, 2, [wide[y * W * 6:(y + 1) * W * 6] for y in range(H)])
    gray = bytes(rng.randrange(256) for _ in range(W * H * 2))
    files["png_gray_16_bits"] = png(16, 0, [gray[y * W * 2:(y + 1) * W * 2] for y in range(H)])
    files["png_gray_2_bits"] = png(2, 0, [bytes(rng.randrange(256) for _ in range(3)) for _ in range(H)])
    files["png_interlaced"] = png(8, 2, list(adam7(rgb.tobytes())), 1)
    files["jpeg_rgb"] = saved(rgb, "JPEG", quality=92)
    files["jpeg_gray"] = saved(rgb.convert("L"), "JPEG")
    files["jpeg_progressive"] = saved(rgb, "JPEG", progressive=True)
    files["jpeg_cmyk"] = saved(Image.frombytes("CMYK", (W, H), noise(4)), "JPEG", quality=95)
    for orientation in range(1, 9):
        data = exif(orientation, "<>"[orientation % 2], orientation)
        files[f"jpeg_exif_{orientation}"] = saved(rgb, "JPEG", quality=92, exif=b"Exif\0\0" + data)
    files["jpeg_exif_9"] = saved(rgb, "JPEG", quality=92, exif=b"Exif\0\0" + exif(9, ">"))
    files["png_exif_6"] = saved(rgb, "PNG", exif=exif(6, ">"))
    print("// Made by make_samples.py with PIL. Do not edit.")
    print("#ifndef FM_TESTS_IMAGE_SAMPLES_H\n#define FM_TESTS_IMAGE_SAMPLES_H\n")
    print("#include <stddef.h>\n#include <stdint.h>\n")
    print(f"enum {{ SAMPLE_WIDTH = {W}, SAMPLE_HEIGHT = {H} }};\n")
    sizes = {}
    for name, data in files.items():
        seen = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        sizes[name] = seen.size
        if name == "png_gray_16_bits":  # PIL would clip 16 bits to 8; the high byte is the picture
            expected = b"".join(gray[i:i + 1] * 3 for i in range(0, len(gray), 2))
        else:
            expected = seen.convert("RGB").tobytes()
        for part, content in (("file", data), ("rgb", expected)):
            print(f"static const uint8_t {name}_{part}[] = {{")
            for i in range(0, len(content), 20):
                print("    " + " ".join(f"{b}," for b in content[i:i + 20]))
            print("};")
    print("\nstatic const struct sample {\n  const char *name;\n  const uint8_t *file;\n  size_t size;\n  const uint8_t *rgb;\n  int width, height;")
    print("} samples[] = {")
    for name in files:
        print(f'    {{"{name}", {name}_file, sizeof {name}_file, {name}_rgb, {sizes[name][0]}, {sizes[name][1]}}},')
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
