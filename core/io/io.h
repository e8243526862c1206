/* io.h - what stands between the engine and the world: files, data formats, pictures.
 *
 * Bytes in, tensors out, and back. Nothing here knows Lua or a network, and everything here is
 * written with gan.h alone. Whoever hands in bytes keeps them; whatever comes out (tensors, bytes,
 * names) is the context's pool's and goes with gan_pool_release.
 *
 * Bytes are hostile until proved otherwise: lengths are checked against what is there before
 * anything is allocated. "Fails" means gan_fail, as in gan.h: with GAN_ERROR_IO for a file or its
 * contents, naming the file, and GAN_ERROR_ARGUMENT for what the caller got wrong. zlib, jansson
 * and stb have given their memory back by then. */
#ifndef GAN_IO_H
#define GAN_IO_H

#include "gan.h"

/* ---- Files (file.c) -------------------------------------------------------------------------- */

/* Bytes that the regular file at path holds once inflated; a file that is not gzip is taken as it
 * is. Reads all of it, so a damaged or truncated gzip (its CRC and length are checked) fails here. */
int64_t gan_file_measure(gan_context *ctx, const char *path);
/* Reads these bytes into buffer; fails unless there are exactly size of them. */
void gan_file_read(gan_context *ctx, const char *path, void *buffer, int64_t size);
/* Writes size bytes to path, whole or not at all: into a temporary file of the same folder, fsync,
 * rename, fsync of the folder. Keeps the permissions of a file it replaces; a symbolic link is
 * replaced, not followed; what is no regular file (/dev/null) is refused. */
void gan_file_write(gan_context *ctx, const char *path, const void *bytes, size_t size);
/* Puts size bytes at offset of the file at path, which then ends there: what was behind offset is cut off. Makes the
 * file where there is none. Where `sync`, the bytes are on disk (fsync) on return. Fails for a file shorter than
 * offset; where writing fails, what lies before offset is as it was. */
void gan_file_append(gan_context *ctx, const char *path, int64_t offset, const void *bytes, size_t size, bool sync);
/* The CRC-32 of size bytes, after those that `before` is of (0: none). */
uint32_t gan_checksum(uint32_t before, const void *bytes, size_t size);

/* ---- IDX, the format of MNIST (idx.c) -------------------------------------------------------- */

typedef struct gan_idx {
    gan_shape shape; /* rank 1 to 4; the first axis counts the items */
    size_t offset;   /* of the first element, in bytes */
} gan_idx;
/* Reads the head of an IDX file of unsigned bytes; fails unless its size fits its shape exactly.
 * name is what errors call it: a path. */
gan_idx gan_idx_parse(gan_context *ctx, const uint8_t *bytes, size_t size, const char *name);
/* n x h x w x c from the pictures of h*w*c bytes each that begin at offset: byte*scale + shift.
 * picture: h x w x c. indices: n, whole numbers from 0; one past the last picture fails. */
gan_tensor *gan_pictures(gan_context *ctx, const uint8_t *bytes, size_t size, size_t offset, gan_shape picture,
                         gan_tensor *indices, double scale, double shift);
/* n labels, one byte each, as numbers. */
gan_tensor *gan_labels(gan_context *ctx, const uint8_t *bytes, size_t size, size_t offset, gan_tensor *indices);

/* ---- safetensors (safetensors.c) -------------------------------------------------------------- */
/* The format is Hugging Face's: 8 bytes of header length, a JSON header, then the numbers as
 * little-endian float32 (in the double build too: they are converted). */

typedef struct gan_named {
    const char *name;
    gan_tensor *tensor;
} gan_named;

typedef struct gan_pair {
    const char *key, *value;
} gan_pair;

typedef struct gan_safetensors {
    int64_t count;
    gan_named *tensors; /* in the order of their bytes, which is by name in files made here */
    int64_t metadata_count;
    gan_pair *metadata;
} gan_safetensors;

/* The file's bytes, in the pool; their number in *size. Equal tensors and metadata give equal bytes,
 * whatever their order. Fails for names that are not UTF-8, come twice, or are "__metadata__". */
const uint8_t *gan_safetensors_encode(gan_context *ctx, int64_t count, const gan_named tensors[],
                                      int64_t metadata_count, const gan_pair metadata[], size_t *size);
/* Fails for anything but a well-formed file of F32 tensors, of rank <= 6, that cover its bytes
 * without overlap or hole. name is what errors call the file. */
gan_safetensors gan_safetensors_decode(gan_context *ctx, const uint8_t *bytes, size_t size, const char *name);

/* ---- PNG (png.c) ----------------------------------------------------------------------------- */

/* t: H x W x 1 (grey) or 3 (red, green, blue), -1 dark to 1 bright, clamped; NaN is dark. The same
 * tensor gives the same bytes. */
const uint8_t *gan_png_encode(gan_context *ctx, gan_tensor *t, size_t *size);

/* ---- Drawing (draw.c) ------------------------------------------------------------------------ */
/* On a leaf t of H x W x 3, in place, anti-aliased, clipped. x goes right and y down; the pixel at
 * row i, column j has its centre at (j, i), so whole coordinates draw crisp. Coordinates that are
 * not finite draw nothing. colour: red, green, blue from -1 to 1, else it fails. */

/* With round ends; width in pixels. */
void gan_draw_line(gan_tensor *t, double x0, double y0, double x1, double y1, const double colour[3], double width);
/* Filled: width columns from x, height rows from y. */
void gan_draw_rect(gan_tensor *t, double x, double y, double width, double height, const double colour[3]);
void gan_draw_disc(gan_tensor *t, double x, double y, double radius, const double colour[3]);
/* One line of text, in strokes; (x, y) is its top left pixel, height is from the top of the capitals
 * to the bottom of the descenders. What is not printable ASCII shows as a box. */
void gan_draw_text(gan_tensor *t, double x, double y, const char *text, const double colour[3], double height);
/* Pixels from the first to the last column that gan_draw_text would touch, to a pixel. */
double gan_text_width(const char *text, double height);

/* ---- "glyphs", the data set that needs no file (glyphs.c) ------------------------------------- */

#define GAN_GLYPH_CLASSES 36
#define GAN_GLYPH_SIZE    28
/* The character of each label: "0123456789ABC...". */
extern const char gan_glyph_names[GAN_GLYPH_CLASSES + 1];
/* Handwritten-looking digits and capitals: n x 28 x 28 x 1, white (1) on black (-1). Picture i is a
 * function of i and seed alone, and shows class i mod 36. indices: n, whole numbers from 0. The
 * labels go to *labels (n), unless labels is NULL. */
gan_tensor *gan_glyphs(gan_context *ctx, gan_tensor *indices, uint64_t seed, gan_tensor **labels);

#endif
