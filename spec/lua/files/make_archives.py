import numpy as np, os, io, zipfile, sys
out = sys.argv[1]; pics = os.path.join(out, 'pictures')
a = np.arange(24).reshape(2, 3, 4)
os.makedirs(os.path.join(out, 'npy'), exist_ok=True)
for name, dt in [('f4','<f4'),('f8','<f8'),('f2','<f2'),('big_f4','>f4'),('u1','|u1'),('i1','|i1'),('i2','<i2'),('big_i2','>i2'),('u2','<u2'),('i4','<i4'),('i8','<i8'),('u4','<u4'),('u8','<u8')]:
    np.save(os.path.join(out, 'npy', name + '.npy'), a.astype(dt))
np.save(os.path.join(out, 'npy', 'fortran.npy'), np.asfortranarray(a.astype('<f4')))
np.save(os.path.join(out, 'npy', 'bool.npy'), (a % 2 == 1))
np.save(os.path.join(out, 'npy', 'complex.npy'), a.astype('<c8'))
np.savez_compressed(os.path.join(out, 'npy', 'set.npz'), images=(np.arange(2*4*4).reshape(2,4,4) * 8).astype(np.uint8), labels=np.array([1, 0]))
np.savez(os.path.join(out, 'npy', 'stored.npz'), images=(np.arange(2*4*4).reshape(2,4,4) * 8).astype(np.uint8), labels=np.array([1, 0]))
r = lambda n: open(os.path.join(pics, n), 'rb').read()
with zipfile.ZipFile(os.path.join(out, 'classes.zip'), 'w') as z:
    for name, src, how in [('top/cat/a.png','rgb.png',0),('top/cat/b.png','grey.png',8),('top/dog/c.jpg','rgb.jpg',8),('__MACOSX/top/cat/._a.png','rgb.png',8),('top/dog/.DS_Store','notes.txt',0),('top/readme.txt','notes.txt',8),('../evil.png','rgb.png',0),('top/dog/broken.png','cut.png',8),('top/dog/old.gif','notes.txt',0)]:
        z.writestr(zipfile.ZipInfo(name), r(src), compress_type=how)
b = open(os.path.join(out, 'classes.zip'), 'rb').read()
open(os.path.join(out, 'cut.zip'), 'wb').write(b[:len(b) * 2 // 3])
# 30 MB of zeros behind a PNG's head, in a few kB
with zipfile.ZipFile(os.path.join(out, 'bomb.zip'), 'w') as z:
    z.writestr(zipfile.ZipInfo('good.png'), r('rgb.png'), compress_type=8)
    z.writestr(zipfile.ZipInfo('bomb.png'), r('huge.png') + b'\0' * 30_000_000, compress_type=8)
def zip64(at, **wrong):  # every number that may be is 64 bits wide, as in archives of more than 4 GB
    import struct, zlib
    d = open(os.path.join(at, 'pictures/rgb.png'), 'rb').read()
    p = zlib.compressobj(9, zlib.DEFLATED, -15); p = p.compress(d) + p.flush()
    n, m, f = b'wide.png', 0xffffffff, struct.pack
    local = f('<4sHHHHHIIIHH', b'PK\3\4', 45, 0, 8, 0, 33, zlib.crc32(d), m, m, len(n), 20) + n + f('<HHQQ', 1, 16, len(d), len(p)) + p
    entry = f('<4sHHHHHHIIIHHHHHII', b'PK\1\2', 45, 45, 0, 8, 0, 33, zlib.crc32(d), m, m, len(n), 28, 0, 0, 0, 0, m) + n
    entry += f('<HHQQQ', 1, 24, len(d), len(p), 0)
    end = f('<4sQHHIIQQQQ', b'PK\6\6', 44, 45, 45, 0, 0, 1, 1, len(entry), len(local))
    locator = f('<4sIQI', b'PK\6\7', 0, wrong.get('end', len(local) + len(entry)), 1)
    return local + entry + end + locator + f('<4sHHHHIIH', b'PK\5\6', 0, 0, 0xffff, 0xffff, m, m, 0)
import os
here = os.path.dirname(os.path.abspath(__file__))
open(os.path.join(here, 'wide.zip'), 'wb').write(zip64(here))
open(os.path.join(here, 'wide_lost.zip'), 'wb').write(zip64(here, end=1 << 40))
