/* png_read.c - PNG pictures, row by row, through libpng: every depth and colour type, interlaced or not.
 *
 * 1. libpng's memory is counted against the budget that the head was given (need), and freed on every path.
 * 2. What libpng raises comes back through one longjmp; what it would print goes nowhere.
 * 3. Text, colour profiles and the like are skipped unread: they are where bombs hide. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "io/picture.h"

/* What libpng and its zlib take beside rows: windows, tables, chunks of known sizes. */
enum { PNG_OWN = 512 << 10, PNG_LONGEST_CHUNK = 128 << 10 };

struct reader {
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t size, at;
    size_t left; /* of the budget */
    void *block; /* rows and the resizer's memory */
    char *reason;
    jmp_buf failed;
};

/* ---- What libpng calls ---- */

/* Each block begins with its size, in 16 bytes that keep it aligned. */
static void *take(png_structp png, png_alloc_size_t bytes)
{
    struct reader *r = png_get_mem_ptr(png);
    if (bytes > r->left || r->left - bytes < 16)
        return NULL;
    char *block = malloc(bytes + 16);
    if (!block)
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    r->left -= bytes + 16;
    return block + 16;
}

static void give(png_structp png, void *memory)
{
    if (!memory)
        return;
    struct reader *r = png_get_mem_ptr(png);
    png_alloc_size_t bytes;
    memcpy(&bytes, (char *)memory - 16, sizeof bytes);
    r->left += bytes + 16;
    free((char *)memory - 16);
}

static void on_error(png_structp png, const char *message)
{
    struct reader *r = png_get_error_ptr(png);
    snprintf(r->reason, GAN_REASON, "%s", message);
    longjmp(r->failed, 1);
}

static void on_warning(png_structp png, const char *message)
{
    (void)png, (void)message;
}

static void read_bytes(png_structp png, png_bytep to, size_t count)
{
    struct reader *r = png_get_io_ptr(png);
    if (count > r->size - r->at)
        png_error(png, "is cut short");
    memcpy(to, r->bytes + r->at, count);
    r->at += count;
}

/* ---- Reading ---- */

static void begin(struct reader *r)
{
    static const uint8_t skipped[] = "iCCP\0iTXt\0tEXt\0zTXt\0sPLT\0hIST\0pCAL\0sCAL\0tIME\0gAMA\0cHRM\0sRGB";
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, on_error, on_warning, r, take, give);
    if (!r->png) {
        snprintf(r->reason, GAN_REASON, "no memory to read it with");
        longjmp(r->failed, 1);
    }
    r->info = png_create_info_struct(r->png);
    if (!r->info)
        png_error(r->png, "no memory to read it with");
    png_set_read_fn(r->png, r, read_bytes);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, skipped, (int)(sizeof skipped / 5));
    png_set_chunk_malloc_max(r->png, PNG_LONGEST_CHUNK);
    png_set_user_limits(r->png, 1 << 30, 1 << 30); /* the product is limited, by GAN_MOST_PIXELS */
    png_set_crc_action(r->png, PNG_CRC_ERROR_QUIT, PNG_CRC_QUIET_USE);
    png_read_info(r->png, r->info);
}

static void end(struct reader *r)
{
    if (r->png)
        png_destroy_read_struct(&r->png, &r->info, NULL);
    free(r->block);
}

static int orientation(struct reader *r)
{
    png_uint_32 size = 0;
    png_bytep exif = NULL;
    if (!png_get_eXIf_1(r->png, r->info, &size, &exif))
        return 1;
    return gan_exif_orientation(exif, size);
}

bool gan_png_look(const uint8_t *bytes, size_t size, gan_picture_head *head, char reason[GAN_REASON])
{
    struct reader r = {.bytes = bytes, .size = size, .left = 2 * PNG_OWN, .reason = reason};
    volatile bool done = false; /* survives the longjmp */
    if (setjmp(r.failed) == 0) {
        begin(&r);
        size_t width = png_get_image_width(r.png, r.info), height = png_get_image_height(r.png, r.info);
        head->width = (int64_t)width;
        head->height = (int64_t)height;
        head->colour = png_get_color_type(r.png, r.info) & PNG_COLOR_MASK_COLOR;
        head->orientation = orientation(&r);
        /* A pixel takes 8 bytes at most; libpng holds a row, the one before, and one to work in. */
        bool interlaced = png_get_interlace_type(r.png, r.info) != PNG_INTERLACE_NONE;
        head->need = PNG_OWN + 5 * 8 * width + (interlaced ? 4 * width * height : 0);
        done = true;
    }
    end(&r);
    return done;
}

/* Eight bits; palettes, low depths and transparent colours in full; returns what rows hold then. */
static gan_row_kind expand(struct reader *r)
{
    png_set_expand(r->png);
    png_set_scale_16(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    switch (png_get_color_type(r->png, r->info)) {
    case PNG_COLOR_TYPE_GRAY:
        return GAN_ROW_GREY;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
        return GAN_ROW_GREY_ALPHA;
    case PNG_COLOR_TYPE_RGB:
        return GAN_ROW_RGB;
    default:
        return GAN_ROW_RGBA;
    }
}

static void read_rows(struct reader *r, gan_picture_wish wish, uint8_t *out)
{
    gan_row_kind kind = expand(r);
    size_t width = png_get_image_width(r->png, r->info), height = png_get_image_height(r->png, r->info);
    size_t row_bytes = png_get_rowbytes(r->png, r->info);
    int passes = png_get_interlace_type(r->png, r->info) == PNG_INTERLACE_NONE ? 1 : 7;
    size_t rows_bytes = (row_bytes * (passes > 1 ? height : 1) + 63) / 64 * 64;
    r->block = malloc(rows_bytes + gan_resizer_bytes((int64_t)width, wish));
    if (!r->block)
        png_error(r->png, "no memory to read it with");
    uint8_t *rows = r->block;
    gan_resizer resizer;
    gan_resizer_start(&resizer, kind, (int64_t)width, (int64_t)height, wish, rows + rows_bytes, out);
    if (passes == 1) {
        for (size_t y = 0; y < height; y++) {
            png_read_row(r->png, rows, NULL);
            gan_resizer_row(&resizer, rows);
        }
    } else {
        memset(rows, 0, rows_bytes);
        for (int pass = 0; pass < passes; pass++)
            for (size_t y = 0; y < height; y++)
                png_read_row(r->png, rows + y * row_bytes, NULL);
        for (size_t y = 0; y < height; y++)
            gan_resizer_row(&resizer, rows + y * row_bytes);
    }
    png_read_end(r->png, NULL); /* a file that ends before its end is cut short, whatever it showed */
}

bool gan_png_read(const uint8_t *bytes, size_t size, const gan_picture_head *head, gan_picture_wish wish, uint8_t *out,
                  char reason[GAN_REASON])
{
    struct reader r = {.bytes = bytes, .size = size, .left = head->need + PNG_OWN, .reason = reason};
    volatile bool done = false; /* survives the longjmp */
    if (setjmp(r.failed) == 0) {
        begin(&r);
        if ((int64_t)png_get_image_width(r.png, r.info) != head->width ||
            (int64_t)png_get_image_height(r.png, r.info) != head->height)
            png_error(r.png, "has changed since it was looked at");
        read_rows(&r, wish, out);
        done = true;
    }
    end(&r);
    return done;
}
