/* picture.c - a PNG or JPEG in the shape that is wanted: which of both it is, the part in its middle, averages over
 * areas, grey and colour, transparency and inks, and the turn that EXIF asks for.
 *
 * Averages are taken of the stored bytes (sRGB's curve is not undone, as in every common tool). Turning commutes with
 * the rest, for the part is in the middle: so it is the small result that is turned. */
#include "io/picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Rows ---- */

/* x * a / 255, rounded. */
static uint8_t times(unsigned x, unsigned a)
{
    unsigned product = x * a + 128;
    return (uint8_t)((product + (product >> 8)) >> 8);
}

/* Over white. */
static uint8_t over_white(unsigned x, unsigned alpha)
{
    return (uint8_t)(times(x, alpha) + 255 - alpha);
}

/* ITU-R BT.601's luma. */
static uint8_t luma(const uint8_t rgb[3])
{
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000) >> 16);
}

static void rgb_of(gan_row_kind kind, const uint8_t *from, uint8_t rgb[3])
{
    switch (kind) {
    case GAN_ROW_GREY:
        rgb[0] = rgb[1] = rgb[2] = from[0];
        break;
    case GAN_ROW_GREY_ALPHA:
        rgb[0] = rgb[1] = rgb[2] = over_white(from[0], from[1]);
        break;
    case GAN_ROW_RGB:
        memcpy(rgb, from, 3);
        break;
    case GAN_ROW_RGBA:
        for (int i = 0; i < 3; i++)
            rgb[i] = over_white(from[i], from[3]);
        break;
    case GAN_ROW_CMYK:
        for (int i = 0; i < 3; i++)
            rgb[i] = times(255u - from[i], 255u - from[3]);
        break;
    case GAN_ROW_CMYK_INVERTED:
        for (int i = 0; i < 3; i++)
            rgb[i] = times(from[i], from[3]);
        break;
    }
}

static void convert_row(const gan_resizer *r, const uint8_t *from, uint8_t *to)
{
    static const int sizes[] = {1, 2, 3, 4, 4, 4};
    int size = sizes[r->kind];
    if (size == r->channels) { /* grey as grey, colour as colour */
        memcpy(to, from, (size_t)(r->source_width * size));
        return;
    }
    for (int64_t x = 0; x < r->source_width; x++, from += size) {
        uint8_t rgb[3];
        rgb_of(r->kind, from, rgb);
        if (r->channels == 3)
            memcpy(to + 3 * x, rgb, 3);
        else
            to[x] = r->kind <= GAN_ROW_GREY_ALPHA ? rgb[0] : luma(rgb);
    }
}

/* ---- Averages over areas ---- */

size_t gan_resizer_bytes(int64_t source_width, gan_picture_wish wish)
{
    return 2 * sizeof(float) * (size_t)(wish.width * wish.channels) + (size_t)(source_width * wish.channels);
}

void gan_resizer_start(gan_resizer *r, gan_row_kind kind, int64_t source_width, int64_t source_height,
                       gan_picture_wish wish, void *memory, uint8_t *out)
{
    size_t numbers = (size_t)(wish.width * wish.channels);
    *r = (gan_resizer){.kind = kind,
                       .source_width = source_width,
                       .source_height = source_height,
                       .width = wish.width,
                       .height = wish.height,
                       .channels = wish.channels,
                       .across = memory,
                       .sum = (float *)memory + numbers,
                       .pixels = (uint8_t *)((float *)memory + 2 * numbers),
                       .out = out};
    double step = fmin((double)source_width / (double)wish.width, (double)source_height / (double)wish.height);
    r->step_x = r->step_y = step;
    r->left = ((double)source_width - step * (double)wish.width) / 2;
    r->top = ((double)source_height - step * (double)wish.height) / 2;
    r->copies = step == 1;
    if (r->copies)
        r->left = floor(r->left), r->top = floor(r->top);
    memset(r->sum, 0, numbers * sizeof(float));
}

/* How much of the pixel from p to p + 1 lies between begin and end. */
static double overlap(double begin, double end, double p)
{
    return fmin(end, p + 1) - fmax(begin, p);
}

static void average_across(gan_resizer *r)
{
    for (int64_t j = 0; j < r->width; j++) {
        double begin = r->left + (double)j * r->step_x, end = begin + r->step_x;
        int64_t first = (int64_t)begin, last = (int64_t)ceil(end) - 1;
        last = last < r->source_width ? last : r->source_width - 1;
        first = first < last ? first : last;
        float sum[3] = {0, 0, 0}, covered = 0;
        for (int64_t p = first; p <= last; p++) {
            float weight = p > first && p < last ? 1 : (float)fmax(overlap(begin, end, (double)p), 0);
            covered += weight;
            for (int64_t c = 0; c < r->channels; c++)
                sum[c] += weight * (float)r->pixels[p * r->channels + c];
        }
        for (int64_t c = 0; c < r->channels; c++)
            r->across[j * r->channels + c] = covered > 0 ? sum[c] / covered : (float)r->pixels[first * r->channels + c];
    }
}

static void finish_row(gan_resizer *r)
{
    int64_t numbers = r->width * r->channels;
    uint8_t *to = r->out + r->rows_made * numbers;
    for (int64_t i = 0; i < numbers; i++) {
        float value = r->sum[i] / (float)r->step_y + 0.5f;
        to[i] = value >= 255 ? 255 : (uint8_t)value;
        r->sum[i] = 0;
    }
    r->rows_made++;
}

void gan_resizer_row(gan_resizer *r, const uint8_t *row)
{
    int64_t y = r->rows_seen++;
    int64_t numbers = r->width * r->channels;
    if (r->rows_made == r->height || (double)(y + 1) <= r->top)
        return;
    convert_row(r, row, r->pixels);
    if (r->copies) {
        memcpy(r->out + r->rows_made++ * numbers, r->pixels + (int64_t)r->left * r->channels, (size_t)numbers);
        return;
    }
    average_across(r);
    bool is_last = y + 1 == r->source_height;
    while (r->rows_made < r->height) {
        double begin = r->top + (double)r->rows_made * r->step_y, end = begin + r->step_y;
        float weight = (float)fmax(overlap(begin, end, (double)y), 0);
        for (int64_t i = 0; i < numbers; i++)
            r->sum[i] += weight * r->across[i];
        if (end > (double)(y + 1) && !is_last)
            return;
        finish_row(r);
    }
}

/* ---- Turning ---- */

/* Where the pixel at row i, column j of the upright picture lies in the stored one, of height x width. */
static int64_t stored_at(const gan_picture_head *head, int64_t i, int64_t j, int64_t height, int64_t width)
{
    /* Whether the stored rows and columns run against the upright ones that they lie along. */
    static const bool rows_back[] = {[3] = true, [4] = true, [6] = true, [7] = true, [8] = false};
    static const bool columns_back[] = {[2] = true, [3] = true, [7] = true, [8] = true};
    bool turned = gan_picture_turned(head);
    int64_t row = turned ? j : i, column = turned ? i : j;
    return (rows_back[head->orientation] ? height - 1 - row : row) * width +
           (columns_back[head->orientation] ? width - 1 - column : column);
}

static void turn(const gan_picture_head *head, const uint8_t *stored, gan_picture_wish upright, uint8_t *out)
{
    bool turned = gan_picture_turned(head);
    int64_t height = turned ? upright.width : upright.height, width = turned ? upright.height : upright.width;
    for (int64_t i = 0; i < upright.height; i++)
        for (int64_t j = 0; j < upright.width; j++, out += upright.channels)
            memcpy(out, stored + stored_at(head, i, j, height, width) * upright.channels, (size_t)upright.channels);
}

/* ---- EXIF ---- */

static unsigned two_bytes(const uint8_t *at, bool little)
{
    return little ? at[0] | (unsigned)at[1] << 8 : (unsigned)at[0] << 8 | at[1];
}

static uint32_t four_bytes(const uint8_t *at, bool little)
{
    return little ? two_bytes(at, true) | (uint32_t)two_bytes(at + 2, true) << 16
                  : (uint32_t)two_bytes(at, false) << 16 | two_bytes(at + 2, false);
}

int gan_exif_orientation(const uint8_t *tiff, size_t size)
{
    enum { ORIENTATION = 0x112, SHORT = 3 };
    if (size < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;
    bool little = tiff[0] == 'I';
    uint32_t directory = four_bytes(tiff + 4, little);
    if (directory > size || size - directory < 2)
        return 1;
    size_t entries = two_bytes(tiff + directory, little), there = (size - directory - 2) / 12;
    for (size_t i = 0; i < entries && i < there; i++) {
        const uint8_t *entry = tiff + directory + 2 + 12 * i;
        if (two_bytes(entry, little) == ORIENTATION && two_bytes(entry + 2, little) == SHORT) {
            unsigned value = two_bytes(entry + 8, little);
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    }
    return 1;
}

/* ---- Either format ---- */

static const char *other_format(const uint8_t *bytes, size_t size)
{
    static const struct {
        const char *name, *start;
        size_t length;
    } known[] = {{"GIF", "GIF8", 4},   {"BMP", "BM", 2},   {"WebP", "RIFF", 4},           {"TIFF", "II*\0", 4},
                 {"TIFF", "MM\0*", 4}, {"PDF", "%PDF", 4}, {"JPEG 2000", "\0\0\0\fjP", 6}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (size >= known[i].length && memcmp(bytes, known[i].start, known[i].length) == 0)
            return known[i].name;
    return NULL;
}

bool gan_picture_look(const uint8_t *bytes, size_t size, gan_picture_head *head, char reason[GAN_REASON])
{
    *head = (gan_picture_head){.orientation = 1};
    bool known;
    if (size >= 8 && memcmp(bytes, "\211PNG\r\n\032\n", 8) == 0) {
        head->format = GAN_PICTURE_PNG;
        known = gan_png_look(bytes, size, head, reason);
    } else if (size >= 3 && memcmp(bytes, "\377\330\377", 3) == 0) {
        head->format = GAN_PICTURE_JPEG;
        known = gan_jpeg_look(bytes, size, head, reason);
    } else {
        const char *other = other_format(bytes, size);
        if (size == 0)
            snprintf(reason, GAN_REASON, "is empty");
        else if (other)
            snprintf(reason, GAN_REASON, "is %s, wanted PNG or JPEG", other);
        else
            snprintf(reason, GAN_REASON, "is neither PNG nor JPEG");
        return false;
    }
    if (known && head->width > GAN_MOST_PIXELS / head->height) {
        snprintf(reason, GAN_REASON, "is %lldx%lld, more than %lld million pixels", (long long)head->width,
                 (long long)head->height, (long long)GAN_MOST_PIXELS / 1000000);
        return false;
    }
    return known;
}

bool gan_picture_read(const uint8_t *bytes, size_t size, const gan_picture_head *head, gan_picture_wish wish,
                      uint8_t *out, char reason[GAN_REASON])
{
    gan_picture_wish stored = wish;
    if (gan_picture_turned(head))
        stored.height = wish.width, stored.width = wish.height;
    uint8_t *to = out;
    if (head->orientation != 1) {
        to = malloc((size_t)(wish.height * wish.width * wish.channels));
        if (!to) {
            snprintf(reason, GAN_REASON, "no memory to turn it with");
            return false;
        }
    }
    bool done = head->format == GAN_PICTURE_PNG ? gan_png_read(bytes, size, head, stored, to, reason)
                                                : gan_jpeg_read(bytes, size, head, stored, to, reason);
    if (to != out) {
        if (done)
            turn(head, to, wish, out);
        free(to);
    }
    return done;
}
