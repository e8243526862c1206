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
