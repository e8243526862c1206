/* jpeg.c - JPEG pictures, row by row, through libjpeg-turbo: baseline, progressive and arithmetic; grey, colour, and
 * the four inks of CMYK and YCCK, inverted where Adobe wrote them.
 *
 * 1. What libjpeg raises comes back through one longjmp; what it would print goes nowhere. It frees its memory itself.
 * 2. A picture that is far larger than what is wanted is made smaller while it is decoded, by 2, 4 or 8: it stays at
 *    least twice as large as the result, which is averaged from it.
 * 3. Warnings about odd data pass; data that ends too early does not. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "io/picture.h"

enum {
    JPEG_OWN = 256 << 10, /* what libjpeg takes beside rows */
    MOST_SCANS = 200,     /* a bomb repeats empty ones */
};

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    bool created;
    void *block; /* a row and the resizer's memory */
    char *reason;
    jmp_buf failed;
};

/* ---- What libjpeg calls ---- */

static void give_up(struct reader *r, const char *reason)
{
    snprintf(r->reason, GAN_REASON, "%s", reason);
    longjmp(r->failed, 1);
}

static void on_error(j_common_ptr jpeg)
{
    struct reader *r = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    give_up(r, text);
}

static void on_message(j_common_ptr jpeg, int level)
{
    struct reader *r = jpeg->client_data;
    int code = jpeg->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER))
        give_up(r, "is cut short or damaged: its data ends too early");
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
    struct reader *r = jpeg->client_data;
    if (((j_decompress_ptr)jpeg)->input_scan_number > MOST_SCANS)
        give_up(r, "has more scans than any picture needs");
}

/* ---- Reading ---- */

/* The orientation from the EXIF segment among those in front of the picture. */
static int orientation(const uint8_t *bytes, size_t size)
{
    size_t at = 2;
    while (size - at >= 10 && bytes[at] == 0xff && bytes[at + 1] != 0xda) {
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (bytes[at + 1] == 0xff) { /* a filling byte */
            at++;
            continue;
        }
        if (length < 2 || length + 2 > size - at)
            return 1;
        if (bytes[at + 1] == 0xe1 && length >= 8 && memcmp(bytes + at + 4, "Exif\0\0", 6) == 0)
            return gan_exif_orientation(bytes + at + 10, length - 8);
        at += 2 + length;
    }
    return 1;
}

static void begin(struct reader *r, const uint8_t *bytes, size_t size)
{
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->jpeg.client_data = r;
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->errors.output_message = on_output;
    r->created = true;
    jpeg_create_decompress(&r->jpeg);
    r->progress.progress_monitor = on_progress;
    r->jpeg.progress = &r->progress;
    jpeg_mem_src(&r->jpeg, bytes, (unsigned long)size);
    jpeg_read_header(&r->jpeg, TRUE);
    int components = r->jpeg.num_components;
    if (components != 1 && components != 3 && components != 4)
        give_up(r, "has a number of colours that is not 1, 3 or 4");
}

static void end(struct reader *r)
{
    if (r->created)
        jpeg_destroy_decompress(&r->jpeg);
    free(r->block);
}

bool gan_jpeg_look(const uint8_t *bytes, size_t size, gan_picture_head *head, char reason[GAN_REASON])
{
    struct reader r = {.reason = reason};
    volatile bool done = false; /* survives the longjmp */
    if (setjmp(r.failed) == 0) {
        begin(&r, bytes, size);
        size_t width = r.jpeg.image_width, height = r.jpeg.image_height, components = (size_t)r.jpeg.num_components;
        head->width = (int64_t)width;
        head->height = (int64_t)height;
        head->colour = components > 1;
        head->orientation = orientation(bytes, size);
        /* Rows of blocks, to decode and to enlarge the colours in; coefficients of the whole where scans add up. */
        size_t padded = (width + 64) * components;
        head->need = JPEG_OWN + 128 * padded;
        if (jpeg_has_multiple_scans(&r.jpeg))
            head->need += padded * (height + 64) * sizeof(JCOEF);
        done = true;
    }
    end(&r);
    return done;
}

/* Asks libjpeg for a smaller picture where that leaves enough to average. */
static void choose_scale(struct reader *r, gan_picture_wish wish)
{
    r->jpeg.scale_num = 1;
    for (unsigned by = 8; by > 1; by /= 2) {
        if (r->jpeg.image_width / by >= 2 * wish.width && r->jpeg.image_height / by >= 2 * wish.height) {
            r->jpeg.scale_denom = by;
            return;
        }
    }
    r->jpeg.scale_denom = 1;
}

static gan_row_kind choose_colours(struct reader *r)
{
    switch (r->jpeg.num_components) {
    case 1:
        r->jpeg.out_color_space = JCS_GRAYSCALE;
        return GAN_ROW_GREY;
    case 3:
        r->jpeg.out_color_space = JCS_RGB;
        return GAN_ROW_RGB;
    default:
        r->jpeg.out_color_space = JCS_CMYK;
        return r->jpeg.saw_Adobe_marker ? GAN_ROW_CMYK_INVERTED : GAN_ROW_CMYK;
    }
}

static void read_rows(struct reader *r, size_t budget, gan_picture_wish wish, uint8_t *out)
{
    gan_row_kind kind = choose_colours(r);
    choose_scale(r, wish);
    r->jpeg.mem->max_memory_to_use = (long)budget;
    jpeg_start_decompress(&r->jpeg);
    size_t width = r->jpeg.output_width, height = r->jpeg.output_height;
    size_t row_bytes = (width * (size_t)r->jpeg.output_components + 63) / 64 * 64;
    r->block = malloc(row_bytes + gan_resizer_bytes((int64_t)width, wish));
    if (!r->block)
        give_up(r, "no memory to read it with");
    uint8_t *row = r->block;
    gan_resizer resizer;
    gan_resizer_start(&resizer, kind, (int64_t)width, (int64_t)height, wish, row + row_bytes, out);
    for (size_t y = 0; y < height; y++) {
        JSAMPROW rows[] = {row};
        jpeg_read_scanlines(&r->jpeg, rows, 1);
        gan_resizer_row(&resizer, row);
    }
    jpeg_finish_decompress(&r->jpeg);
}

bool gan_jpeg_read(const uint8_t *bytes, size_t size, const gan_picture_head *head, gan_picture_wish wish, uint8_t *out,
                   char reason[GAN_REASON])
{
    struct reader r = {.reason = reason};
    volatile bool done = false; /* survives the longjmp */
    if (setjmp(r.failed) == 0) {
        begin(&r, bytes, size);
        if ((int64_t)r.jpeg.image_width != head->width || (int64_t)r.jpeg.image_height != head->height)
            give_up(&r, "has changed since it was looked at");
        read_rows(&r, head->need, wish, out);
        done = true;
    }
    end(&r);
    return done;
}
