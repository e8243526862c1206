/* picture.h - what the readers of encoded pictures share. They run on any thread: they know no context, take their
 * memory from the system within a budget that the caller has charged, and say in words why they refuse.
 *
 * A picture is read row by row into the shape that is wanted: the largest part in its middle that has the wanted
 * proportions, averaged over the area that each pixel of the result covers. Values stay bytes. */
#ifndef GAN_PICTURE_H
#define GAN_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for a reason, with the final 0. */
#define GAN_REASON      160
/* A picture of more pixels is refused: 134 million. */
#define GAN_MOST_PIXELS ((int64_t)1 << 27)

typedef enum gan_picture_format { GAN_PICTURE_PNG, GAN_PICTURE_JPEG } gan_picture_format;

typedef struct gan_picture_head {
    gan_picture_format format;
    int64_t width, height; /* as stored; orientation says how it is looked at */
    int orientation;       /* EXIF's: 1 as stored, 2 to 4 mirrored and turned, 5 to 8 with width and height exchanged */
    bool colour;
    size_t need; /* bytes that reading it may take beside its own */
} gan_picture_head;

/* Whether upright it is as wide as it is high when stored. */
static inline bool gan_picture_turned(const gan_picture_head *head)
{
    return head->orientation >= 5;
}

/* Looks at the head of a PNG or JPEG, of which size bytes are there. False, with the reason, for anything else. */
bool gan_picture_look(const uint8_t *bytes, size_t size, gan_picture_head *head, char reason[GAN_REASON]);

typedef struct gan_picture_wish {
    int64_t height, width, channels; /* channels: 1 (grey) or 3 */
} gan_picture_wish;

/* A byte of a picture as a number from -1 to 1. */
static inline double gan_number_of_byte(int byte)
{
    return byte * 2.0 / 255 - 1;
}

/* Reads the whole picture into out, height x width x channels bytes, upright. What is transparent shows white. False,
 * with the reason, for one that is damaged or cut short. */
bool gan_picture_read(const uint8_t *bytes, size_t size, const gan_picture_head *head, gan_picture_wish wish,
                      uint8_t *out, char reason[GAN_REASON]);

/* ---- For picture.c, png_read.c and jpeg.c ---- */

/* What a row holds for each pixel, in bytes. CMYK_INVERTED: 255 is no ink, as Adobe writes JPEG. */
typedef enum gan_row_kind {
    GAN_ROW_GREY,
    GAN_ROW_GREY_ALPHA,
    GAN_ROW_RGB,
    GAN_ROW_RGBA,
    GAN_ROW_CMYK,
    GAN_ROW_CMYK_INVERTED
} gan_row_kind;

/* Takes the rows of a picture from the top down, and fills a smaller or larger one. */
typedef struct gan_resizer {
    gan_row_kind kind;
    int64_t source_width, source_height, width, height, channels;
    double left, top, step_x, step_y; /* the part that is taken, and what one pixel of the result covers of it */
    bool copies;                      /* pixel for pixel */
    int64_t rows_seen, rows_made;
    uint8_t *pixels;     /* a row of the source in the channels that are wanted */
    float *across, *sum; /* a row averaged along x; and the row of the result that is being added up */
    uint8_t *out;
} gan_resizer;
size_t gan_resizer_bytes(int64_t source_width, gan_picture_wish wish);
/* memory: gan_resizer_bytes of it. out is not turned: what is wanted of the picture as it is stored. */
void gan_resizer_start(gan_resizer *r, gan_row_kind kind, int64_t source_width, int64_t source_height,
                       gan_picture_wish wish, void *memory, uint8_t *out);
void gan_resizer_row(gan_resizer *r, const uint8_t *row);

bool gan_png_look(const uint8_t *bytes, size_t size, gan_picture_head *head, char reason[GAN_REASON]);
bool gan_png_read(const uint8_t *bytes, size_t size, const gan_picture_head *head, gan_picture_wish wish, uint8_t *out,
                  char reason[GAN_REASON]);
bool gan_jpeg_look(const uint8_t *bytes, size_t size, gan_picture_head *head, char reason[GAN_REASON]);
bool gan_jpeg_read(const uint8_t *bytes, size_t size, const gan_picture_head *head, gan_picture_wish wish, uint8_t *out,
                   char reason[GAN_REASON]);
/* EXIF's orientation from a TIFF head ("II*\0" ...); 1 where it says none. */
int gan_exif_orientation(const uint8_t *tiff, size_t size);

#endif
