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

struct stat;

/* ---- Paths (gate.c) -------------------------------------------------------------------------- */
/* Everything that takes a path in this library goes through these: they return -1 and set errno, as the system's
 * functions of those names do, and fail so too where the context is confined to a folder and the path leads out of it.
 * From any thread. */

/* Confines the context's files to the folder at path, to be followed once; NULL: there are no files. False with errno
 * where there is no such folder. */
bool gan_confine(gan_context *ctx, const char *path);
/* errno's number in words. */
const char *gan_file_reason(const gan_context *ctx, int error);
/* A descriptor that closes itself on exec. Of a confined context, only regular files and folders are opened. */
int gan_path_open(const gan_context *ctx, const char *path, int flags, unsigned mode);
int gan_path_stat(const gan_context *ctx, const char *path, struct stat *at);
int gan_path_make_folder(const gan_context *ctx, const char *path);
int gan_path_rename(const gan_context *ctx, const char *from, const char *to);
/* Of a file. */
int gan_path_remove(const gan_context *ctx, const char *path);

/* ---- Files (file.c) -------------------------------------------------------------------------- */

/* Bytes that the regular file at path holds once inflated; a file that is not gzip is taken as it
 * is. Reads all of it, so a damaged or truncated gzip (its CRC and length are checked) fails here. */
int64_t gan_file_measure(gan_context *ctx, const char *path);
/* Reads these bytes into buffer; fails unless there are exactly size of them. */
void gan_file_read(gan_context *ctx, const char *path, void *buffer, int64_t size);
/* The size of the regular file at path, and size bytes of it from offset on. From any thread; NULL, or why not. */
const char *gan_file_size(const gan_context *ctx, const char *path, int64_t *size);
const char *gan_file_slice(const gan_context *ctx, const char *path, int64_t offset, void *buffer, size_t size);
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
/* The CRC-32C (Castagnoli) of size bytes. */
uint32_t gan_crc32c(const void *bytes, size_t size);

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

/* ---- Zip archives (zip.c) ---------------------------------------------------------------------- */

enum { GAN_ZIP_STORED = 0, GAN_ZIP_DEFLATED = 8 };

typedef struct gan_zip_entry {
    const char *name; /* whatever the archive says: "../x" too */
    uint64_t offset, packed, size;
    uint32_t crc;
    uint16_t method;
    const char *unreadable; /* why it cannot be read, NULL where it can: encrypted, sizes that cannot be */
} gan_zip_entry;

typedef struct gan_zip {
    int64_t count;
    gan_zip_entry *entries;
} gan_zip;

/* What the archive at path says it holds, in the pool. Fails for what is no zip or has no sound directory. */
gan_zip gan_zip_list(gan_context *ctx, const char *path);
/* Bytes of room that gan_zip_read needs for an entry's compressed data. */
size_t gan_zip_room(const gan_zip_entry *entry);
/* The entry's first `size` bytes into out; its length and checksum are checked where that is all of it. packed: room
 * for the compressed data; of less than gan_zip_room, only so much is inflated. From any thread; NULL, or why not. */
const char *gan_zip_read(const gan_context *ctx, const char *path, const gan_zip_entry *entry, uint8_t *out,
                         size_t size, uint8_t *packed, size_t room);

/* ---- Pictures (album.c; the decoders: picture.h) ------------------------------------------------- */

/* H x W x C from the bytes of a PNG or JPEG, -1 to 1; C is 1 for a grey picture and 3 for colour. Upright; what is
 * transparent shows white. name is what errors call it. */
gan_tensor *gan_picture_decode(gan_context *ctx, const uint8_t *bytes, size_t size, const char *name);

/* An album: many encoded pictures, in files or in one zip, read as tensors of one shape by all threads; as many as are
 * allowed stay in memory, decoded, a byte a number. Its memory is counted as tensors' is.
 * 1. Building: gan_album_open, gan_album_look, gan_album_keep; gan_album_prepare; gan_album_load, gan_album_keep.
 * 2. Then gan_album_read, with gan_album_prefetch before it for what will be wanted next, which a thread of the album's
 *    own decodes meanwhile. What comes out depends on the places alone, never on threads or prefetching. */
typedef struct gan_album gan_album;

typedef struct gan_album_source {
    const char *path;           /* of the file, or of the zip */
    const gan_zip_entry *entry; /* NULL for a file */
} gan_album_source;

/* Copies the sources, paths and all. entry->name and entry->unreadable are not read. Owned by the caller. */
gan_album *gan_album_open(gan_context *ctx, int64_t count, const gan_album_source sources[]);
/* Frees it; its threads have ended on return. NULL is fine. */
void gan_album_close(gan_album *album);
int64_t gan_album_count(const gan_album *album);

/* One picture that is refused, and why. */
typedef struct gan_album_refusal {
    int64_t place;
    const char *reason;
} gan_album_refusal;
/* Looks at the heads of the pictures from first to end - 1, on all threads. The refused ones, by place, are in the pool;
 * returns how many. most: a picture that would take more bytes to decode is refused. */
int64_t gan_album_look(gan_album *album, int64_t first, int64_t end, size_t most, gan_album_refusal **refused);
/* n x 3 numbers: height, width, and 1 where there is colour; upright. */
gan_tensor *gan_album_heads(gan_album *album);
/* Leaves only the pictures at these places (n numbers from 0, rising), which are 0 .. n-1 from now on. */
void gan_album_keep(gan_album *album, gan_tensor *places);
/* Makes height x width x channels the shape of a picture, and room for the first ones in memory, as many as `cache`
 * bytes hold. All must have been looked at. */
void gan_album_prepare(gan_album *album, int64_t height, int64_t width, int64_t channels, size_t cache);
/* Decodes the pictures from first to end - 1; those that have a place in memory stay there. Refusals as above. */
int64_t gan_album_load(gan_album *album, int64_t first, int64_t end, gan_album_refusal **refused);
/* How many, from the first on, are in memory. */
int64_t gan_album_cached(const gan_album *album);
/* n x height x width x channels, -1 to 1. places: n whole numbers from 0. Fails, naming the file, for one that can no
 * longer be read. */
gan_tensor *gan_album_read(gan_album *album, gan_tensor *places);
/* Starts to decode what a later gan_album_read of the same places will want. */
void gan_album_prefetch(gan_album *album, gan_tensor *places);
/* Seconds that gan_album_read has taken so far, waiting and decoding together. */
double gan_album_seconds(const gan_album *album);

/* ---- Plain numbers and .npy (npy.c) --------------------------------------------------------------- */

typedef struct gan_number_type {
    char kind;     /* 'b' truth, 'i' and 'u' whole numbers, 'f' floating point */
    int bytes;     /* of one: 1, 2, 4, 8 */
    bool reversed; /* big-endian */
} gan_number_type;

/* Reads "<f4", "|u1", ">i2" as numpy writes them; false for any other type. */
bool gan_number_type_read(const char *text, gan_number_type *type);
/* numel(shape) numbers from bytes: number*scale + shift. Fails unless size fits exactly. name is what errors call it. */
gan_tensor *gan_numbers(gan_context *ctx, const uint8_t *bytes, size_t size, gan_number_type type, gan_shape shape,
                        double scale, double shift, const char *name);

typedef struct gan_npy {
    gan_number_type type;
    char type_text[4];
    gan_shape shape;
    bool columns_first; /* Fortran's order: the first axis runs fastest */
    size_t offset;      /* of the first number, in bytes */
} gan_npy;
/* Reads the head of a .npy file of `size` bytes in all, of which `there` are at hand (64 KB are enough). Fails unless
 * the file fits its shape exactly, for types that are no plain numbers, and for more than 6 axes. */
gan_npy gan_npy_parse(gan_context *ctx, const uint8_t *bytes, size_t there, uint64_t size, const char *name);

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
