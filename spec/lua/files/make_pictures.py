# Makes the awkward pictures of spec/lua/pictures_spec.lua and prints what an independent decoder (Pillow) sees in them.
import sys, os, io, struct, zlib, zipfile
import numpy as np
from PIL import Image
out = sys.argv[1]
def grad(h, w):
    y, x = np.mgrid[0:h, 0:w]
    return np.stack([x * 255 // max(1, w - 1), y * 255 // max(1, h - 1), (x + y) * 255 // max(1, w + h - 2)], 2).astype(np.uint8)
g = Image.fromarray(grad(16, 16))
s = lambda im, name, **k: im.save(os.path.join(out, name), **k)
s(g, 'rgb.png'); s(g.convert('L'), 'grey.png'); s(g.convert('P', palette=Image.ADAPTIVE, colors=16), 'palette.png')
a = np.dstack([grad(16, 16), np.full((16, 16), 255, np.uint8)]); a[:8, :, 3] = 0; a[8:, :8, 3] = 128
s(Image.fromarray(a, 'RGBA'), 'alpha.png')
s(Image.fromarray((np.arange(256).reshape(16, 16) * 257).astype(np.uint16)), 'deep.png')
s(g.convert('1'), 'bits.png')
def interlaced(im):  # Adam7 by hand
    px = np.array(im); h, w = px.shape[:2]; raw = b''
    for y0, x0, dy, dx in [(0,0,8,8),(0,4,8,8),(4,0,8,4),(0,2,4,4),(2,0,4,2),(0,1,2,2),(1,0,2,1)]:
        for row in px[y0::dy, x0::dx]:
            if row.shape[0]: raw += b'\0' + row.tobytes()
    ch = lambda t, d: struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))
    return b'\x89PNG\r\n\x1a\n' + ch(b'IHDR', struct.pack('>IIBBBBB', w, h, 8, 2, 0, 0, 1)) + ch(b'IDAT', zlib.compress(raw)) + ch(b'IEND', b'')
open(os.path.join(out, 'interlaced.png'), 'wb').write(interlaced(g))
smooth = Image.fromarray(grad(16, 16))
s(smooth, 'rgb.jpg', quality=95, subsampling=0); s(smooth.convert('L'), 'grey.jpg', quality=95)
s(smooth.convert('CMYK'), 'cmyk.jpg', quality=95); s(smooth, 'progressive.jpg', quality=95, progressive=True, subsampling=0)
c = bytearray(open(os.path.join(out, 'cmyk.jpg'), 'rb').read()); c[c.find(b'Adobe') + 11] = 2  # the same numbers, said to be YCCK
open(os.path.join(out, 'ycck.jpg'), 'wb').write(c)
ex = Image.Exif(); ex[0x0112] = 6
s(Image.fromarray(grad(16, 24)), 'turned.jpg', quality=95, subsampling=0, exif=ex)
s(Image.fromarray(grad(40, 20)), 'tall.png'); s(Image.fromarray(grad(3, 5)), 'tiny.png')
b = open(os.path.join(out, 'rgb.png'), 'rb').read()
open(os.path.join(out, 'cut.png'), 'wb').write(b[:len(b) // 2])
j = open(os.path.join(out, 'rgb.jpg'), 'rb').read()
open(os.path.join(out, 'cut.jpg'), 'wb').write(j[:120])
open(os.path.join(out, 'empty.png'), 'wb').close()
open(os.path.join(out, 'no_picture.png'), 'wb').write(b'this is text')
open(os.path.join(out, 'huge.png'), 'wb').write(b'\x89PNG\r\n\x1a\n' + b''.join(struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d)) for t, d in [(b'IHDR', struct.pack('>IIBBBBB', 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)), (b'IDAT', b''), (b'IEND', b'')]))
open(os.path.join(out, 'b_really_jpeg.png'), 'wb').write(j)
s(Image.new('RGB', (1, 1), (10, 200, 30)), 'one.png')
s(Image.fromarray(np.dstack([grad(16, 16)[..., 0], a[..., 3]]), 'LA'), 'grey_alpha.png')
def png(w, h, depth, kind, raw):
    ch = lambda t, d: struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))
    return b'\x89PNG\r\n\x1a\n' + ch(b'IHDR', struct.pack('>IIBBBBB', w, h, depth, kind, 0, 0, 0)) + ch(b'IDAT', zlib.compress(raw)) + ch(b'IEND', b'')
deep = (grad(16, 16).astype(np.uint16) * 257).astype('>u2')
open(os.path.join(out, 'deep_rgb.png'), 'wb').write(png(16, 16, 16, 2, b''.join(b'\0' + row.tobytes() for row in deep)))
p = Image.fromarray((np.arange(256) // 64).astype(np.uint8).reshape(16, 16), 'P'); p.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
s(p, 'palette_alpha.png', transparency=bytes([255, 0, 128, 255]))
ex[0x0112] = 5
s(Image.fromarray(grad(16, 24)), 'mirrored.jpg', quality=95, subsampling=0, exif=ex)
s(g, 'animated.png', save_all=True, append_images=[Image.new('RGB', (16, 16), (255, 0, 0))], duration=100)
s(g, 'moving.gif', save_all=True, append_images=[Image.new('RGB', (16, 16), (255, 0, 0))], duration=100)
open(os.path.join(out, 'really_gif.png'), 'wb').write(open(os.path.join(out, 'moving.gif'), 'rb').read())
h = bytearray(j); at = h.find(b'\xff\xc0'); h[at + 5:at + 9] = b'\xff\xdc\xff\xdc'
open(os.path.join(out, 'huge.jpg'), 'wb').write(h)
open(os.path.join(out, '.hidden.png'), 'wb').write(b)
open(os.path.join(out, 'notes.txt'), 'w').write('not a picture\n')
for name in sorted(os.listdir(out)):
    try:
        im = Image.open(os.path.join(out, name)); im.load()
        from PIL import ImageOps
        im = ImageOps.exif_transpose(im)
        if im.mode == 'LA' or 'transparency' in im.info: im = im.convert('RGBA')
        if im.mode == 'RGBA':
            bg = Image.new('RGBA', im.size, (255,) * 4); bg.alpha_composite(im); im = bg
        if im.mode.startswith('I;16'): im = Image.fromarray((np.array(im) >> 8).astype(np.uint8))
        px = np.array(im.convert('RGB')).astype(float)
        print(name, im.size[::-1], px.reshape(-1, 3).mean(0).round(3).tolist(), px[0, 0].tolist(), px[-1, -1].tolist())
    except Exception as e: print(name, 'ERR', type(e).__name__)
